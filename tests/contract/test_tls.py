"""
TLS to both servers, with certificates that are checked.

Neither server from a wheel speaks it: PostgreSQL is the system's where that one does, and in front of Redis stands a
program that ends TLS, as stunnel does.
"""

import os
import ssl
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import psycopg
import pytest
from redis.exceptions import RedisError

from shared.dev_stack.embedded.postgres import EmbeddedPostgres
from shared.dev_stack.embedded.programs import SYSTEM_POSTGRES, unprivileged_user
from shared.dev_stack.embedded.redis import EmbeddedRedis
from shared.errors import Unavailable
from shared.event_log.adapters.postgres import PostgresEventLog
from shared.redis.client import connect
from shared.redis.pipelined import pack
from tests.support.certificates import Certified, certified
from tests.support.patience import patient_connector
from tests.support.proxy import Proxy
from tests.support.write_side import postgres_write_side, register
from write_side.adapters.postgres.migrate import migrate


@pytest.fixture(scope="module")
def ours(server_home) -> Certified:
    return certified(server_home / "ours")


@pytest.fixture(scope="module")
def others(server_home) -> Certified:
    """Of an authority that did not make the server's."""
    return certified(server_home / "others")


@pytest.fixture(scope="module")
def postgres_with_tls(server_home, ours) -> Iterator[EmbeddedPostgres]:
    binaries = system_postgres_with_tls()
    if binaries is None:
        pytest.skip("no PostgreSQL here that speaks TLS")
    if (account := unprivileged_user()) is not None:
        os.chown(ours.key, *account)
    files = {"ssl": "on", "ssl_cert_file": str(ours.certificate), "ssl_key_file": str(ours.key)}
    with EmbeddedPostgres(server_home / "postgres-with-tls", durable=False, options=files, binaries=binaries) as server:
        migrate(server.url)
        yield server


def system_postgres_with_tls() -> Path | None:
    for found in sorted(SYSTEM_POSTGRES.glob("*/bin")):
        linked = subprocess.run(["ldd", found / "postgres"], capture_output=True, text=True, check=False).stdout
        if "libssl" in linked:
            return found
    return None


def verified(url: str, authority: Certified) -> str:
    return f"{url}?sslmode=verify-full&sslrootcert={authority.certificate}"


async def test_commands_and_the_log_travel_encrypted(postgres_with_tls, ours):
    url = verified(postgres_with_tls.url, ours)

    async with postgres_write_side(url) as write_side:
        await register(write_side, "ada")

    async with PostgresEventLog(url, allow_unsafe=True).connect() as reader:
        assert await reader.head() == 2
    with psycopg.connect(url) as connection:
        assert connection.execute("select ssl from pg_stat_ssl where pid = pg_backend_pid()").fetchall() == [(True,)]


async def test_a_postgres_that_anybody_could_be_is_not_talked_to(postgres_with_tls, others):
    with pytest.raises(Unavailable, match="certificate verify failed"):
        async with PostgresEventLog(verified(postgres_with_tls.url, others), allow_unsafe=True).connect():
            pass


@asynccontextmanager
async def tls_in_front_of(server: EmbeddedRedis, certificate: Certified) -> AsyncIterator[str]:
    """Gives the URL, with the authority still to be named."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.certificate, certificate.key)
    proxy = Proxy(server.url)
    async with proxy.running(tls=context):
        yield proxy.url.replace("redis://", "rediss://")


async def test_projector_and_read_side_talk_to_redis_encrypted(valkey, ours):
    async with tls_in_front_of(valkey.start(), ours) as front:
        url = f"{front}?ssl_ca_certs={ours.certificate}"
        async with connect(url) as client:
            await client.set("written", "by TLS")
        connection = patient_connector(url)()
        assert await connection.fetch(pack("GET", "written"), replies=1) == [b"by TLS"]
        await connection.disconnect()


async def test_a_redis_that_anybody_could_be_is_not_talked_to(valkey, ours, others):
    async with tls_in_front_of(valkey.start(), ours) as front:
        url = f"{front}?ssl_ca_certs={others.certificate}"
        async with connect(url) as client:
            with pytest.raises(RedisError, match="certificate verify failed"):
                await client.ping()
