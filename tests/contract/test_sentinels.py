"""Connections to the master that real sentinels name."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as ConnectionLost

from shared.dev_stack.embedded.redis import EmbeddedRedis
from shared.redis.client import connect, leave_replaced_master
from shared.redis.location import located
from shared.redis.pipelined import PipelinedConnection, pack, pipelined
from tests.support.patience import patient_connector
from tests.support.replicas import PASSWORD, QUORUM, SERVICE, EmbeddedSentinel, client_of, share_password


@pytest.fixture(scope="module")
def servers(server_home) -> Iterator[tuple[EmbeddedRedis, EmbeddedRedis]]:
    """Two servers with nothing in common but their password; each knows its number."""
    home = server_home / "two-servers"
    for name in ("one", "two"):
        share_password(home / name)
    with EmbeddedRedis(home / "one") as one, EmbeddedRedis(home / "two") as two:
        for nth, server in enumerate((one, two)):
            with client_of(server) as redis:
                redis.set("number", nth)
        yield one, two


@pytest.fixture
def sentinel(server_home, servers, request) -> Iterator[EmbeddedSentinel]:
    """It names the first."""
    with EmbeddedSentinel(server_home / request.node.name, watches=servers[0]) as server:
        yield server


@pytest.fixture
def url(sentinel) -> str:
    return f"redis+sentinel://:{PASSWORD}@127.0.0.1:{sentinel.port}/{SERVICE}?sentinel_password={PASSWORD}"


def name_instead(sentinel: EmbeddedSentinel, server: EmbeddedRedis) -> None:
    """Have the sentinel name another; the one before knows nothing of it, as if it was cut off."""
    with client_of(sentinel) as redis:
        redis.sentinel_remove(SERVICE)
        redis.sentinel_monitor(SERVICE, "127.0.0.1", server.port, QUORUM)


@asynccontextmanager
async def reading(url: str) -> AsyncIterator[PipelinedConnection]:
    connection = patient_connector(url)()
    yield connection
    await connection.disconnect()


async def number_read(connection: PipelinedConnection) -> list[bytes]:
    return await connection.fetch(pack("GET", "number"), replies=1)


async def number_at(client: Redis) -> list[bytes]:
    async with pipelined(client) as redis:
        return await redis.execute(("GET", "number"))


async def test_readers_leave_a_master_that_was_replaced(url, sentinel, servers):
    """Although it still answers; every connection of the same maker does."""
    connect = patient_connector(url)
    some, other = connect(), connect()
    assert [await number_read(some), await number_read(other)] == [[b"0"], [b"0"]]

    name_instead(sentinel, servers[1])
    await some.leave_replaced_master()

    assert [await number_read(some), await number_read(other)] == [[b"1"], [b"1"]]
    for each in (some, other):
        await each.disconnect()


async def test_a_master_that_stays_is_not_left(url):
    async with reading(url) as connection:
        await number_read(connection)

        await connection.leave_replaced_master()

        assert not connection.is_outdated


async def test_the_projector_leaves_a_master_that_was_replaced(url, sentinel, servers):
    """At the next look; what is under way on a connection is brought to its end there."""
    async with connect(url) as client:
        assert await number_at(client) == [b"0"]

        name_instead(sentinel, servers[1])
        async with pipelined(client) as redis:
            await leave_replaced_master(client)
            assert await redis.execute(("GET", "number")) == [b"0"]

        assert await number_at(client) == [b"1"]


async def test_a_server_that_is_no_master_is_not_connected_to(url, servers):
    """Sentinels may not know yet what has become of it."""
    one, two = servers
    with client_of(one) as redis:
        redis.config_set("masterauth", PASSWORD)
        redis.replicaof("127.0.0.1", two.port)
        try:
            async with reading(url) as connection:
                with pytest.raises(ConnectionLost, match=f"127.0.0.1:{one.port} is no master"):
                    await number_read(connection)
        finally:
            redis.replicaof("no", "one")
            redis.set("number", 0)


async def test_where_no_sentinel_answers_it_is_said_whom_was_asked(url, sentinel):
    """Not with a word of their passwords."""
    sentinel.stop()

    async with reading(url) as connection:
        with pytest.raises(ConnectionLost, match=f"no sentinel names a master of {SERVICE}; 127.0.0.1:") as lost:
            await number_read(connection)
    with pytest.raises(ConnectionLost, match="no sentinel names"):
        located(url)
    assert PASSWORD not in str(lost.value)


def test_the_server_itself_can_be_named(url, servers):
    """For programs that know nothing of sentinels."""
    assert located(url) == f"redis://:{PASSWORD}@127.0.0.1:{servers[0].port}/0"
