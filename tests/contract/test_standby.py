"""A standby has the events and not the locks that decide which of them may be read: it is never read."""

import psycopg
import pytest

from shared.dev_stack.checks import FAILED
from shared.dev_stack.doctor_of_postgres import examine_postgres
from shared.dev_stack.embedded_postgres import EmbeddedPostgres
from shared.dev_stack.embedded_server import free_port
from shared.errors import Unavailable, Unsound
from shared.event_log import EventLogUnsound
from shared.event_log.adapters.postgres import PostgresEventLog
from tests.support.replicas import EmbeddedStandby
from tests.support.stack import until
from write_side.adapters.postgres.migrate import migrate


@pytest.fixture(scope="module")
def standby(server_home):
    """Of a server that has an event log."""
    with EmbeddedPostgres(server_home / "followed", durable=False) as primary:
        migrate(primary.url)
        with EmbeddedStandby(server_home / "standby", of=primary) as server:
            yield server


async def test_a_standby_is_not_connected_to(standby):
    """Behind several hosts the primary is looked for; where there is none, it is waited for."""
    with pytest.raises(Unavailable):
        async with PostgresEventLog(standby.url, allow_unsafe=True).connect():
            pytest.fail("it must not be read")


async def test_a_process_does_not_start_on_a_standby_alone(standby):
    """Nor are its tables brought up to date. Of several hosts one may be promoted soon, so that they are waited for."""
    with pytest.raises(Unsound, match="PostgreSQL is a standby: name the primary"):
        await PostgresEventLog(standby.url).require_sound()
    [found] = examine_postgres(standby.url, sessions=13)
    assert (found.mark, found.hint.partition(":")[0]) == (FAILED, "PostgreSQL is a standby")
    assert await PostgresEventLog(standby.url.replace("@", f"@127.0.0.1:{free_port()},")).require_sound() is None


async def test_a_process_does_not_start_where_nothing_can_be_written(database_url):
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(f"alter database {connection.info.dbname} set default_transaction_read_only = on")

    with pytest.raises(Unsound, match="PostgreSQL takes no writes: reset default_transaction_read_only"):
        await PostgresEventLog(database_url).require_sound()


async def test_a_standby_is_not_read(standby):
    """Not even by a reader whose connection string takes any server."""
    await until(lambda: _has_log(standby.url))

    with pytest.raises(EventLogUnsound, match="PostgreSQL is the primary"):
        async with PostgresEventLog(f"{standby.url}?target_session_attrs=any", allow_unsafe=True).connect():
            pytest.fail("it must not be read")


async def _has_log(url):
    with psycopg.connect(url) as connection:
        return connection.execute("select to_regclass('event_log')").fetchone() != (None,)
