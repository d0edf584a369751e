"""A standby has the events and not the locks that decide which of them may be read: it is never read alone."""

import asyncio
import re
from contextlib import closing, contextmanager

import psycopg
import pytest
from structlog.testing import capture_logs

from projector.adapters.postgres.directory import PostgresDirectory
from shared.dev_stack.doctor.checks import FAILED, OK, WARNING
from shared.dev_stack.doctor.postgres import examine_postgres, examine_standby
from shared.dev_stack.embedded.postgres import EmbeddedPostgres
from shared.dev_stack.embedded.server import free_port
from shared.errors import Unavailable, Unsound
from shared.event_log import EventLogUnsound
from shared.event_log.adapters.postgres import EventLogLimits, PostgresEventLog
from shared.event_log.adapters.standby import Standby, StandbyLimits
from shared.postgres.connection import connected
from shared.postgres.pipeline import Pipeline
from tests.support.databases import Databases
from tests.support.patience import until, wait_until
from tests.support.processes import frozen
from tests.support.replicas import EmbeddedStandby
from tests.support.sessions import append
from tests.support.write_side import ANDRE, postgres_write_side
from write_side.adapters.postgres.connections.transactions import TransactionLimits
from write_side.adapters.postgres.migrate import migrate
from write_side.domain.errors import OutcomeUnknown

IN_PLACE = "the primary is read in place of its standby"


@pytest.fixture(scope="module")
def primary(server_home):
    """It has an event log."""
    with EmbeddedPostgres(server_home / "followed", durable=False) as server:
        migrate(server.url)
        yield server


@pytest.fixture(scope="module")
def standby(server_home, primary):
    with EmbeddedStandby(server_home / "standby", of=primary) as server:
        yield server


@pytest.fixture
def replaying(standby):
    """A session with the standby that can have it stand still."""
    with psycopg.connect(standby.url, autocommit=True) as connection:
        yield connection
        connection.execute("select pg_wal_replay_resume()")


@pytest.fixture
def receiver(replaying):
    """The process of the standby that takes what the primary sends, and says that it has it."""
    receives = "select pid from pg_stat_activity where backend_type = 'walreceiver'"
    [(pid,)] = replaying.execute(receives).fetchall()
    return pid


@pytest.fixture(scope="module")
def databases_of_the_pair(primary):
    with closing(Databases(primary)) as made:
        yield made


@pytest.fixture
def own_database(databases_of_the_pair, standby):
    with databases_of_the_pair.lent() as url:
        yield url


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


def _has_log(url):
    with psycopg.connect(url) as connection:
        return connection.execute("select to_regclass('event_log')").fetchone() != (None,)


@contextmanager
def synchronous(primary):
    """The primary waits at each COMMIT until its standby has it."""
    with psycopg.connect(primary.url, autocommit=True) as connection:
        try:
            connection.execute("alter system set synchronous_standby_names = '*'")
            connection.execute("select pg_reload_conf()")
            wait_until(lambda: _is_synchronous(connection))
            yield connection
        finally:
            connection.execute("alter system reset synchronous_standby_names")
            connection.execute("select pg_reload_conf()")


def test_the_doctor_says_what_follows_the_primary(primary, standby):
    """As long as no standby is synchronous, it says what that may cost."""
    alone = followed(primary)
    with synchronous(primary):
        in_step = followed(primary)

    assert (alone, in_step) == ((WARNING, "1 standby, 0 of them synchronous"), (OK, "1 standby, 1 of them synchronous"))
    assert [each.mark for each in examine_standby(standby.url)] == [OK]
    assert [each.mark for each in examine_standby(primary.url)] == [WARNING]


def followed(primary):
    [found] = [each for each in examine_postgres(primary.url, sessions=13) if " is the primary of " in each.what]
    return found.mark, found.what.partition(" is the primary of ")[2]


@pytest.mark.parametrize("grouped", [False, True], ids=["alone", "grouped"])
async def test_what_no_standby_has_is_not_answered(primary, own_database, receiver, grouped):
    """Nor shown to anyone, though the request is given up meanwhile: a promoted standby would know nothing of it."""
    hasty = TransactionLimits(seconds=0.5)
    async with postgres_write_side(own_database, limits=hasty, grouped=grouped) as write_side:
        with synchronous(primary) as connection:
            with frozen({receiver}):
                given_up = asyncio.create_task(write_side.run("register-account", key="k", **ANDRE))
                await until(lambda: _waits_for_standby(connection))
                given_up.cancel()
                await asyncio.wait([given_up])
                assert await write_side.events() == []
                with pytest.raises((Unavailable, OutcomeUnknown)):
                    await write_side.run("register-account", key="k", by=write_side.another_executor(), **ANDRE)

            answer = await write_side.run("register-account", key="k", **ANDRE)
        assert answer.replayed
        assert len(await write_side.events()) == 2


async def test_an_answer_waits_for_no_notification(primary, own_database, receiver):
    """
    NOTIFY takes a lock of all databases: the commit of another program holds it while it waits for its standby.

    What comes next on the connection hears nothing of a notification that was given up.
    """
    async with connected(own_database, autocommit=True) as ours, connected(own_database, autocommit=True) as theirs:
        await ours.execute("set synchronous_commit = local")
        with synchronous(primary) as connection, frozen({receiver}):
            held = asyncio.create_task(theirs.execute("begin; create table held (); notify others; commit"))
            await until(lambda: _waits_for_standby(connection))

            pipeline = Pipeline(ours, prepared=set())
            statements = ("BEGIN", ()), ("create table ours ()", ()), ("COMMIT", ())
            _, error = await pipeline.attempt(*statements, hints=[("notify others", ())])

            assert error is None
            await until(lambda: _waits_to_notify(connection))
            connection.execute("select pg_cancel_backend(%s)", (ours.info.backend_pid,))
            assert await pipeline.carry_out(("select 1", ())) == [[(1,)]]
            assert not held.done()
        await held


def _waits_to_notify(connection):
    waits = "select pid from pg_locks where locktype = 'object' and classid = 'pg_database'::regclass and not granted"
    return connection.execute(waits).fetchone()


def log_on(primary, standby, *, seconds=60.0, **limits):
    in_place = Standby(standby.url, limits=StandbyLimits(seconds=seconds))
    return PostgresEventLog(primary.url, allow_unsafe=True, limits=EventLogLimits(**limits), standby=in_place)


async def replayed(reader, *, after, meanwhile=None):
    """The positions up to the horizon, once something was done after the first portion."""
    positions = []
    async for events in reader.replay(after=after, until=await reader.horizon()):
        positions += [each.position for each in events]
        if meanwhile:
            meanwhile()
            meanwhile = None
    return positions


async def test_a_replay_from_a_standby_waits_for_what_the_primary_has_shown(primary, standby, replaying):
    """A reader that asked the standby alone would pass an event by that was committed late, and never come back."""
    with psycopg.connect(primary.url) as late, psycopg.connect(primary.url) as other:
        first = append(late)
        second = append(other)
        other.commit()
        await until(lambda: _shows(replaying, second))
        replaying.execute("select pg_wal_replay_pause()")
        late.commit()
        async with log_on(primary, standby).connect() as reader:
            with capture_logs() as logged:
                replay = asyncio.create_task(replayed(reader, after=first - 1))
                await until(lambda: _is_asked(replaying))
                assert _positions(replaying, after=first - 1) == [second]
                replaying.execute("select pg_wal_replay_resume()")
                assert await replay == [first, second]
    assert logged == []


async def test_a_primary_at_rest_is_not_waited_for(primary, standby):
    """Where it inserts next is behind the header of a page that nothing follows yet."""
    with psycopg.connect(primary.url, autocommit=True) as connection:
        position = append(connection)
        connection.execute("select pg_switch_wal()")

    async with log_on(primary, standby).connect() as reader:
        with capture_logs() as logged:
            assert await replayed(reader, after=position - 1) == [position]

    assert logged == []


async def test_a_primary_that_has_flushed_half_a_record_is_not_waited_for(primary, standby):
    """Of one that nobody commits: full pages are flushed, the rest is not, and the standby replays none of it."""
    with psycopg.connect(primary.url) as connection, psycopg.connect(primary.url) as other:
        position = append(connection)
        connection.commit()
        other.execute("select pg_logical_emit_message(false, 'muster', repeat('x', 20000))")
        await until(lambda: _ends_in_a_record(primary))

        async with log_on(primary, standby).connect() as reader:
            with capture_logs() as logged:
                assert await replayed(reader, after=position - 1) == [position]

    assert logged == []


def _ends_in_a_record(server):
    """Whether the pages that are full were flushed, and no more."""
    with psycopg.connect(server.url) as connection:
        [(beyond,)] = connection.execute("select (pg_current_wal_flush_lsn() - '0/0') % 8192").fetchall()
    return beyond == 0


async def test_a_standby_that_is_too_far_behind_is_not_waited_for(primary, standby, replaying):
    replaying.execute("select pg_wal_replay_pause()")
    with psycopg.connect(primary.url) as connection:
        position = append(connection)

    async with log_on(primary, standby, seconds=0.05).connect() as reader:
        with capture_logs() as logged:
            assert await replayed(reader, after=position - 1) == [position]

    [line] = logged
    behind = r"the standby is more than 0.05 seconds behind: it has replayed \w+/\w+, the primary had flushed \w+/\w+"
    assert line["event"] == IN_PLACE
    assert re.fullmatch(behind, line["error"])


async def test_a_primary_without_a_standby_is_read(primary):
    """Nor is a primary taken for one."""
    with psycopg.connect(primary.url) as connection:
        position = append(connection)

    async with log_on(primary, primary).connect() as reader:
        with capture_logs() as logged:
            assert await replayed(reader, after=position - 1) == [position]

    assert [each["event"] for each in logged] == [IN_PLACE]


async def test_the_standby_of_another_primary_is_none(primary, standby, postgres):
    """It would have replayed anything, at any time."""
    in_place = Standby(standby.url)
    async with connected(postgres.url, autocommit=True) as other, in_place.instead_of(other) as source:
        assert source is other


async def test_a_replay_is_gone_on_with_on_the_primary(primary, standby, replaying):
    """Where a standby is lost in the midst of a COPY: nothing comes twice, and nothing is left out."""
    more_than_sockets_hold = f'{{"command": "{"x" * 3_000_000}"}}'
    with psycopg.connect(primary.url) as connection:
        positions = [append(connection, metadata=more_than_sockets_hold) for _ in range(8)]

    async with log_on(primary, standby).connect() as reader:
        with capture_logs() as logged:
            found = await replayed(reader, after=positions[0] - 1, meanwhile=lambda: _end_sessions(replaying))

    assert found == positions
    assert [each["event"] for each in logged] == ["the primary is read on, since its standby is lost"]


async def test_the_state_is_compared_on_the_standby(primary, standby):
    """As it was when the log was read, or later; with the events that belong to it."""
    with psycopg.connect(primary.url) as connection:
        position = append(connection)

    async with PostgresDirectory(primary.url, standby=Standby(standby.url)).snapshot() as snapshot:
        assert await snapshot._all("select pg_is_in_recovery()", ()) == [(True,)]
        assert [each.position for each in await snapshot.events(after=position - 1, limit=10)] == [position]


def _is_synchronous(connection):
    [(state,)] = connection.execute("select sync_state from pg_stat_replication").fetchall()
    return state == "sync"


def _waits_for_standby(connection):
    waiting = connection.execute("select count(*) from pg_stat_activity where wait_event = 'SyncRep'").fetchall()
    return waiting == [(1,)]


def _positions(connection, *, after):
    rows = connection.execute("select position from event_log where position > %s order by 1", (after,))
    return [position for (position,) in rows]


def _shows(connection, position):
    return _positions(connection, after=position - 1)


def _is_asked(connection):
    """Whether a reader waits for the standby: asks, or has just asked, in a transaction for each question."""
    asked = r"""
        select from pg_stat_activity where query ~ '^COMMIT|pg_last_wal_replay_lsn\(\) >='
           and backend_type = 'client backend' and pid <> pg_backend_pid()"""
    return connection.execute(asked).fetchall()


def _end_sessions(connection):
    connection.execute(
        "select pg_terminate_backend(pid, 10000) from pg_stat_activity"
        " where backend_type = 'client backend' and pid <> pg_backend_pid()"
    )
