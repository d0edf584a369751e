"""The event log in PostgreSQL never skips a late commit, in the interleavings by which other logs lose events."""

import asyncio
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from uuid import UUID, uuid4

import psycopg
import pytest

from shared.event_log import EventLogUnsound, Metadata, UnknownEvent
from shared.event_log.adapters.postgres import (
    CHANNEL,
    EVENT_LOG_LIMITS,
    EventLogLimits,
    PostgresEventLog,
    PostgresEventReader,
)
from shared.postgres.arguments import POSTGRES_LIMITS
from shared.postgres.connection import connected
from tests.support.write_side import ANDRE, postgres_write_side
from write_side.adapters.postgres.connections.notifier import PostgresNotifier
from write_side.cli.webhooks import position_of_now

_APPEND = """
    insert into event_log (event_id, aggregate, aggregate_id, version, type, schema, data, metadata, occurred_at)
    values (gen_random_uuid(), 'account', %s, %s, 'account-suspended', 1, %s,
            '{"command": "suspend-account", "actor": "test", "correlation": ""}', now()) returning position"""

Connect = Callable[[], psycopg.Connection]


def append(connection: psycopg.Connection, *, aggregate_id: UUID | None = None, version: int = 1) -> int:
    account_id = aggregate_id or uuid4()
    data = f'{{"type": "account-suspended", "account_id": "{account_id}", "reason": null}}'
    [(position,)] = connection.execute(_APPEND, (account_id, version, data)).fetchall()
    return position


@pytest.fixture
def connect(database_url: str) -> Iterator[Connect]:
    """Opens sessions that begin a transaction with their first statement."""
    opened: list[psycopg.Connection] = []

    def open_one() -> psycopg.Connection:
        opened.append(psycopg.connect(database_url))
        return opened[-1]

    yield open_one
    for connection in opened:
        connection.close()


@pytest.fixture
async def reader(database_url: str):
    async with PostgresEventLog(database_url, allow_unsafe=True).connect() as session:
        yield session


async def positions(reader, *, after: int = 0) -> list[int]:
    return [event.position for event in await reader.read(after=after, limit=100)]


async def test_a_late_commit_is_waited_for(reader, connect):
    """7 commits after 8: the reader stops before 7, and then delivers both in order."""
    slow, fast = connect(), connect()
    first = append(slow)
    second = append(fast)
    fast.commit()

    assert await positions(reader) == []

    slow.commit()
    assert await positions(reader) == [first, second]


async def test_a_rolled_back_hole_is_passed_at_once(reader, connect):
    hole, writer = connect(), connect()
    append(hole)
    later = append(writer)
    writer.commit()
    hole.rollback()

    assert await positions(reader) == [later]


async def test_two_commits_around_a_slow_one(reader, connect):
    """What comes before the slow one is delivered, what comes after waits for it."""
    slow, writer = connect(), connect()
    before = append(writer)
    writer.commit()
    late = append(slow)
    after = append(writer)
    writer.commit()

    assert await positions(reader) == [before]
    assert await positions(reader, after=before) == []

    slow.commit()
    assert await positions(reader, after=before) == [late, after]


async def test_a_replay_ends_before_a_late_commit(reader, connect):
    """What a transaction that is under way may still put there is beyond the horizon, and so is all that follows."""
    slow, writer = connect(), connect()
    before = append(writer)
    writer.commit()
    late = append(slow)
    after = append(writer)
    writer.commit()

    assert await replayed(reader) == [before]

    slow.commit()
    assert await replayed(reader) == [before, late, after]


async def test_a_new_webhook_begins_before_a_late_commit(database_url, connect):
    """That happens from now on, although what lies behind it has happened."""
    slow, fast = connect(), connect()
    late = append(slow)
    append(fast)
    fast.commit()

    assert await position_of_now(PostgresEventLog(database_url, allow_unsafe=True)) == late - 1


async def test_portions_and_copies_join_without_a_gap(database_url, connect):
    """However little of the log there is in each."""
    limits = EventLogLimits(replayed=2, copied=3)
    writer = connect()
    expected = [append(writer) for _ in range(8)]
    writer.commit()

    async with PostgresEventLog(database_url, allow_unsafe=True, limits=limits).connect() as reader:
        assert await replayed(reader) == expected


async def replayed(reader) -> list[int]:
    portions = reader.replay(after=0, until=await reader.horizon())
    return [event.position async for events in portions for event in events]


class InterruptedReader(PostgresEventReader):
    """Lets others append between the first two steps of its read."""

    def __init__(self, connection: psycopg.AsyncConnection, meanwhile: list[Callable[[], object]]) -> None:
        super().__init__(connection, EVENT_LOG_LIMITS, POSTGRES_LIMITS, source=lambda: nullcontext(connection))
        self.meanwhile = meanwhile

    async def _carried_out(self, *statements):
        """One by one: where they travel together, each has a snapshot of its own as well."""
        rows = []
        for nth, each in enumerate(statements):
            while nth and self.meanwhile:
                self.meanwhile.pop(0)()
            rows += await super()._carried_out(each)
        return rows


async def test_what_is_appended_between_two_steps_of_a_read_is_not_skipped(database_url, connect):
    """A late one draws its position and another commits behind it, neither of which the first step could see."""
    hole, writer, late = connect(), connect(), connect()
    append(hole)
    before = append(writer)
    writer.commit()
    hole.rollback()

    async with connected(database_url, autocommit=True) as connection:
        meanwhile = [lambda: append(late), lambda: append(writer), writer.commit]
        assert await positions(InterruptedReader(connection, meanwhile)) == [before]

    assert not meanwhile


async def test_an_early_transaction_id_means_nothing(reader, connect):
    """A transaction that is old, but appends late, has late positions: an xmin filter would invert the versions."""
    old, writer = connect(), connect()
    old.execute("select pg_current_xact_id()")
    account_id = uuid4()
    first = append(writer, aggregate_id=account_id, version=1)
    writer.commit()
    second = append(old, aggregate_id=account_id, version=2)
    third = append(writer)
    writer.commit()

    assert await positions(reader) == [first]

    old.commit()
    assert [event.version for event in await reader.read(after=0, limit=100) if event.aggregate_id == account_id] == [
        1,
        2,
    ]
    assert await positions(reader, after=second) == [third]


async def test_strangers_with_open_transactions_hold_nobody_up(reader, connect, postgres):
    """Neither one that writes another table of this database, nor one in another database."""
    here, writer = connect(), connect()
    here.execute("create table foreign_work (n int)")
    here.execute("insert into foreign_work values (1)")
    with psycopg.connect(postgres.url) as elsewhere:
        elsewhere.execute("create temp table foreign_work (n int)")
        elsewhere.execute("select pg_advisory_xact_lock_shared((x'4D55'::bigint << 48) | 0)")
        hole = connect()
        append(hole)
        hole.rollback()
        position = append(writer)
        writer.commit()

        assert await positions(reader) == [position]


async def test_a_prepared_transaction_is_waited_for(reader, connect):
    """Its locks outlive its session."""
    preparer, writer = connect(), connect()
    prepared = append(preparer)
    preparer.execute("prepare transaction 'held'")
    later = append(writer)
    writer.commit()

    assert await positions(reader) == []
    holder = await reader.holder(after=0)
    assert holder is not None
    assert (holder.position, holder.pid) == (0, None)

    writer.autocommit = True
    writer.execute("commit prepared 'held'")
    assert await positions(reader) == [prepared, later]


async def test_a_rolled_back_savepoint_keeps_what_was_announced(reader, connect):
    """The lock of a rolled-back savepoint is gone, but the transaction announces again when it appends again."""
    writer, other = connect(), connect()
    writer.execute("savepoint here")
    append(writer)
    writer.execute("rollback to savepoint here")
    again = append(writer)
    after = append(other)
    other.commit()

    assert await positions(reader) == []

    writer.commit()
    assert await positions(reader) == [again, after]


async def test_an_appender_that_idles_is_named(reader, connect):
    idle, writer = connect(), connect()
    append(idle)
    append(writer)
    writer.commit()

    holder = await reader.holder(after=0)

    assert holder is not None
    assert (holder.position, holder.pid) == (0, idle.info.backend_pid)


async def test_what_cannot_be_decoded_is_named_and_delivered(reader, connect):
    """An unpaired surrogate, which PostgreSQL takes for JSON, and metadata that others wrote."""
    writer = connect()
    before = append(writer)
    writer.execute(
        """insert into event_log (event_id, aggregate, aggregate_id, version, type, schema, data, metadata, occurred_at)
           values (gen_random_uuid(), 'account', gen_random_uuid(), 1, 'account-suspended', 1,
                   '{"a": "\\ud800"}', '{}', now())"""
    )
    writer.commit()

    first, second = await reader.read(after=0, limit=10)

    assert first.position == before
    assert isinstance(second.event, UnknownEvent)
    assert second.metadata == Metadata("", "", "")


@pytest.mark.parametrize(("limit", "count"), [(250, 2), (1, 1)])
async def test_a_portion_is_bounded_in_bytes(database_url, connect, limit, count):
    """One event is read, however large it is."""
    log = PostgresEventLog(database_url, allow_unsafe=True, limits=EventLogLimits(portion_bytes=limit))
    writer = connect()
    written = [append(writer) for _ in range(5)]
    writer.commit()

    async with log.connect() as reader:
        assert await positions(reader) == written[:count]


async def test_a_rolled_back_tail_is_not_the_head(reader, connect):
    writer, hole = connect(), connect()
    position = append(writer)
    writer.commit()
    append(hole)
    hole.rollback()

    assert await reader.head() == position


async def test_a_naive_reader_loses_the_late_commit(database_url, connect):
    """The teeth of this file: reading what is visible in order of position skips the slow transaction for ever."""
    slow, fast, naive = connect(), connect(), psycopg.connect(database_url, autocommit=True)
    late = append(slow)
    append(fast)
    fast.commit()

    [(checkpoint,)] = naive.execute("select position from event_log where position > 0 order by position").fetchall()
    slow.commit()
    read_later = naive.execute("select position from event_log where position > %s", (checkpoint,)).fetchall()
    naive.close()

    assert (late,) not in read_later
    assert late < checkpoint


@pytest.mark.parametrize(
    "statement",
    [
        "update event_log set type = 'x'",
        "delete from event_log",
        "truncate event_log",
        "set session_replication_role = replica; delete from event_log",
    ],
)
async def test_history_cannot_be_rewritten(connect, statement):
    writer = connect()
    append(writer)
    writer.commit()

    with pytest.raises(psycopg.errors.RestrictViolation, match="append-only"):
        writer.execute(statement)


@pytest.mark.parametrize(
    ("spoil", "hint"),
    [
        ("alter table event_log disable trigger announce_append", "enable always trigger"),
        ("alter sequence event_log_position_seq cache 20", "cache 1"),
        ("alter sequence event_log_position_seq cycle", "no cycle"),
        ("select setval('event_log_position_seq', 1)", "setval"),
        ("drop table event_log cascade", "muster migrate"),
    ],
)
async def test_a_log_that_could_skip_is_not_read(database_url, connect, spoil, hint):
    """Each precondition is looked at whenever a session begins; the error says what to do."""
    writer = connect()
    append(writer)
    append(writer)
    writer.execute(spoil)
    writer.commit()

    with pytest.raises(EventLogUnsound, match=hint):
        async with PostgresEventLog(database_url, allow_unsafe=True).connect():
            pytest.fail("it must not be read")


async def test_without_fsync_nothing_is_promised(database_url):
    with pytest.raises(EventLogUnsound, match="fsync"):
        async with PostgresEventLog(database_url).connect():
            pytest.fail("it must not be read")


async def test_the_bell_wakes_a_reader(database_url, reader):
    """Rung twice before it is passed on, it is passed on once."""
    await reader.wait(seconds=0)
    notifier = PostgresNotifier(database_url)
    notifier.notify()
    notifier.notify()
    passing_on = asyncio.create_task(notifier.run())

    notified = await reader.wait(seconds=20)
    again = await reader.wait(seconds=0.05)

    passing_on.cancel()
    assert (notified, again) == (True, False)
    assert CHANNEL == "muster_events"


async def test_a_commit_alone_rings_the_bell(database_url):
    rung = []
    async with postgres_write_side(database_url, notify=lambda: rung.append(True)) as alone:
        await alone.run("register-account", **ANDRE)

    assert rung == [True]


async def test_who_waits_leaves_an_answer_to_who_asked_for_it(reader):
    """As the gauges of reactions ask for the head, whatever their scheduler does in the same session."""
    await reader.wait(seconds=0)

    asked_before = asyncio.create_task(reader.head())
    await asyncio.sleep(0)
    await reader.wait(seconds=0.05)
    waiting = asyncio.create_task(reader.wait(seconds=60))
    await asyncio.sleep(0)

    async with asyncio.timeout(20):
        assert [await asked_before, await reader.head()] == [0, 0]
    assert not waiting.done()
    waiting.cancel()
    await asyncio.wait([waiting])


async def test_who_never_waits_is_not_woken_by_commits(reader):
    """And who does begins with a look: what came before was notified to others."""
    channels = "select * from pg_listening_channels()"
    await reader.read(after=0, limit=1)
    assert await reader._all(channels) == []

    assert await reader.wait(seconds=20) is False

    assert await reader._all(channels) == [(CHANNEL,)]


@pytest.mark.parametrize("naive", [False, True], ids=["three steps", "naive"])
async def test_under_stress_nothing_is_skipped(database_url, naive):
    """
    Writers with pauses, roll-backs and early transaction ids against an oracle kept from their commits alone.

    The naive reader must lose events under the same load, or this test has no teeth.
    """
    stress = Stress(database_url, seed=20261125)
    stress.start()

    delivered = await stress.follow(naive=naive)

    missing = stress.committed - {position for position, _, _ in delivered}
    assert len(stress.committed) > 300
    if naive:
        assert missing
        return
    assert not missing
    assert [position for position, _, _ in delivered] == sorted(stress.committed)
    assert in_version_order(delivered)


def in_version_order(delivered: list[tuple[int, UUID, int]]) -> bool:
    last: dict[UUID, int] = {}
    for _, account_id, version in delivered:
        if version != last.get(account_id, 0) + 1:
            return False
        last[account_id] = version
    return True


class Stress:
    """Writers on a few shared aggregates, and a reader that follows them until they are done."""

    WRITERS = 8
    TRANSACTIONS = 40

    def __init__(self, url: str, *, seed: int) -> None:
        self._url = url
        self._seed = seed
        self._ids = [UUID(int=n + 1) for n in range(12)]
        self._lock = threading.Lock()
        self._pause = threading.Event()
        self.committed: set[int] = set()
        self._threads = [threading.Thread(target=self._write, args=(n,)) for n in range(self.WRITERS)]

    def start(self) -> None:
        with psycopg.connect(self._url) as connection:
            connection.execute("create table heads (id uuid primary key, version int not null)")
            connection.cursor().executemany("insert into heads values (%s, 0)", [(each,) for each in self._ids])
        for thread in self._threads:
            thread.start()

    async def follow(self, *, naive: bool) -> list[tuple[int, UUID, int]]:
        delivered: list[tuple[int, UUID, int]] = []
        with psycopg.connect(self._url, autocommit=True) as connection:
            async with PostgresEventLog(self._url, allow_unsafe=True).connect() as reader:
                while True:
                    writing = any(thread.is_alive() for thread in self._threads)
                    after = delivered[-1][0] if delivered else 0
                    if naive:
                        rows = connection.execute(
                            "select position, aggregate_id, version from event_log where position > %s order by 1",
                            (after,),
                        ).fetchall()
                    else:
                        events = await reader.read(after=after, limit=500)
                        rows = [(event.position, event.aggregate_id, event.version) for event in events]
                    delivered.extend(rows)
                    if not rows and not writing:
                        return delivered

    def _write(self, number: int) -> None:
        choose = random.Random(self._seed * 100 + number)
        with psycopg.connect(self._url) as connection:
            for _ in range(self.TRANSACTIONS):
                if choose.random() < 0.5:
                    connection.execute("select pg_current_xact_id()")
                appended = self._append_some(connection, choose)
                if choose.random() < 0.15:
                    connection.rollback()
                    continue
                connection.commit()
                with self._lock:
                    self.committed.update(appended)

    def _append_some(self, connection: psycopg.Connection, choose: random.Random) -> list[int]:
        account_id, number = choose.choice(self._ids), choose.randint(1, 3)
        [(head,)] = connection.execute(
            "update heads set version = version + %s where id = %s returning version", (number, account_id)
        ).fetchall()
        appended = []
        for version in range(head - number + 1, head + 1):
            appended.append(append(connection, aggregate_id=account_id, version=version))
            # A pause in the middle of a transaction is what makes commits late.
            self._pause.wait(choose.random() * 0.01)
        return appended
