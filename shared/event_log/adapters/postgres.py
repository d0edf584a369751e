"""
The event log in PostgreSQL, read by announced appends.

Positions are drawn before commit, so a slow transaction can commit 7 after 8 was read. Every transaction that appends
therefore announces, by an advisory lock, a bound above which all its positions will lie (the trigger is in the first
migration), and the reader passes a gap only when no living transaction can still fill it. No time-out, clock or xmin.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Self, TypeAlias

import psycopg
import structlog
from psycopg import sql

from shared.errors import Unavailable
from shared.event_log.adapters import binary_rows
from shared.event_log.adapters.standby import Standby
from shared.event_log.codec import decode, decode_metadata
from shared.event_log.ports import EventLogUnsound, Holder, LogIdentity, RecordedEvent
from shared.event_log.preconditions import NO_EVENT_LOG, PRECONDITIONS, require_all
from shared.event_log.ranges import AGGREGATE, EVERYTHING, IdRange
from shared.postgres.arguments import POSTGRES_LIMITS, PostgresLimits
from shared.postgres.connection import connected, reachable
from shared.postgres.pipeline import Pipeline, Row, Statement
from shared.postgres.session import require_primary
from shared.postgres.terminate import answered_within
from shared.settings import Settings

CHANNEL = "muster_events"
"""What the write side notifies after a commit; only a hint, so nothing is lost with it."""


NOTIFY_LAST: Statement = ("select pg_notify(%s, currval('event_log_position_seq')::text)", (CHANNEL,))
"""Notifies readers of the last position that the session has drawn, once it is committed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventLogLimits:
    """
    How much is read at once.

    :param portion_bytes: of data in one read: a projector writes them in one transaction, for which readers wait.
    :param replayed: events in one portion of a replay.
    :param copied: positions that one COPY spans: so long is its snapshot kept.
    """

    portion_bytes: int = 4 * 1024 * 1024
    replayed: int = 2_000
    copied: int = 20_000


EVENT_LOG_LIMITS = EventLogLimits()

log = structlog.get_logger()

Source: TypeAlias = Callable[[], AbstractAsyncContextManager[psycopg.AsyncConnection]]

COLUMNS = "position, event_id, aggregate, aggregate_id, version, type, schema, data, metadata, occurred_at"
_DATA = 7
_FOLLOWING = f"select {COLUMNS} from event_log where position > %s order by position limit %s"  # noqa: S608
_UP_TO_HORIZON = f"select {COLUMNS} from event_log where position > %s and position <= %s order by position limit %s"  # noqa: S608
_COPY = sql.SQL(f"""
    copy (select {binary_rows.COLUMNS} from event_log
           where position > {{after}} and position <= {{until}} {{within}} order by position)
      to stdout (format binary)""")  # noqa: S608
_WITHIN = sql.SQL("""
    and (type = 'account-erased'
         or get_byte(uuid_send(case aggregate {ids} end), 15) % {of} = {nth}) is not false""")
_LAST = "select coalesce(max(position), 0) from event_log where position <= %s"
_LAST_DRAWN = "select case when is_called then last_value else 0 end from event_log_position_seq"
_ANNOUNCED = """
    select ((classid::bigint & 65535) << 32) | objid::bigint as bound, pid
      from pg_locks
     where locktype = 'advisory' and objsubid = 1 and granted and classid::bigint >> 16 = x'4D55'::bigint
       and database = (select oid from pg_database where datname = current_database())"""
_LOWEST_ANNOUNCED = f"select min(bound) from ({_ANNOUNCED}) as appender"  # noqa: S608
_HOLDER = f"""
    select bound, pid, coalesce(xact_start, (select min(prepared) from pg_prepared_xacts), now()) as since
      from ({_ANNOUNCED}) as appender left join pg_stat_activity using (pid)
     where xact_start < now() - interval '1 second'
        or not exists (select from event_log where position = %s + 1)
       and exists (select from event_log where position > %s)
     order by bound, since limit 1"""  # noqa: S608
_IDENTITY = """
    select (select event_id from event_log where position = %s),
           (select count(*) from event_log where position > %s and position <= %s)"""
_OLDEST = "select occurred_at from event_log where position > %s order by position limit 1"

_ERASURE = "select max(position) from event_log where type = 'account-erased' and position > %s"


def _portion(rows: Sequence[Any], *, limit: int) -> Sequence[Any]:
    """Return so many of the rows that their data stay within a limit of bytes, but one at least."""
    total = 0
    for nth, row in enumerate(rows):
        total += len(row[_DATA])
        if total > limit and nth:
            return rows[:nth]
    return rows


def _concerned(within: IdRange) -> sql.Composable:
    """Say what `IdRange.concerns` says of an event, of its row."""
    if within.of == 1:
        return sql.SQL("")
    ids = {
        aggregate: sql.SQL("aggregate_id") if field == AGGREGATE else sql.SQL("(data ->> {})::uuid").format(field)
        for aggregate, field in within.by.items()
    }
    whens = sql.SQL(" ").join(sql.SQL("when {} then {}").format(name, id_) for name, id_ in ids.items())
    return _WITHIN.format(ids=whens, of=within.of, nth=within.nth)


def recorded_in_row(row: Sequence[Any]) -> RecordedEvent:
    """Decode a row of `COLUMNS`."""
    position, event_id, aggregate, aggregate_id, version, type_name, schema, data, metadata, occurred_at = row
    return RecordedEvent(
        position=position,
        event_id=event_id,
        aggregate=aggregate,
        aggregate_id=aggregate_id,
        version=version,
        event=decode(data, type_name=type_name, schema=schema),
        metadata=decode_metadata(metadata),
        occurred_at=occurred_at,
    )


async def read_snapshot(connection: psycopg.AsyncConnection, *, after: int, limit: int) -> Sequence[RecordedEvent]:
    """
    Return the events behind a position that a transaction sees, in order, at most `limit`; gaps are passed over.

    Only for a transaction with one snapshot (REPEATABLE READ), and to compare it with what else that shows: a reader
    that goes on from there may have skipped an event.
    """
    with reachable():
        rows = await (await connection.execute(_FOLLOWING, (after, limit))).fetchall()
    return [recorded_in_row(row) for row in _portion(rows, limit=EVENT_LOG_LIMITS.portion_bytes)]


class PostgresEventLog:
    """Reads `event_log` on the primary that `url` names; a session is a connection of its own in autocommit."""

    def __init__(
        self,
        url: str,
        *,
        allow_unsafe: bool = False,
        limits: EventLogLimits = EVENT_LOG_LIMITS,
        postgres: PostgresLimits = POSTGRES_LIMITS,
        standby: Standby | None = None,
    ) -> None:
        """
        :param url: `postgresql://…`; several hosts are allowed.
        :param allow_unsafe: accept a server without `fsync`, as tests use it.
        :param postgres: the limits of each session.
        :param standby: gives what is replayed, in place of the primary.
        """
        self._url = url
        self._allow_unsafe = allow_unsafe
        self._limits = limits
        self._postgres = postgres
        self._standby = standby

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """Return the log in the database that the settings name, with the limits that they say."""
        limits, postgres = settings.limits_of(EventLogLimits), settings.limits_of(PostgresLimits)
        standby = Standby.from_settings(settings)
        return cls(settings.required("database_url"), limits=limits, postgres=postgres, standby=standby)

    async def require_sound(self) -> None:
        """
        Return where the log can be read, or the server is away.

        :raises Unsound: something has to be mended first.
        """
        try:
            async with self.connect():
                return
        except Unavailable:
            await asyncio.to_thread(require_primary, self._url)

    @asynccontextmanager
    async def connect(self) -> AsyncIterator["PostgresEventReader"]:
        async with connected(self._url, autocommit=True, limits=self._postgres) as connection:
            with reachable(), answered_within(connection, seconds=self._postgres.answer_seconds):
                await self._prepare(connection)
            source = partial(self._source, connection)
            yield PostgresEventReader(connection, self._limits, self._postgres, source=source)

    def _source(self, primary: psycopg.AsyncConnection) -> AbstractAsyncContextManager[psycopg.AsyncConnection]:
        return self._standby.instead_of(primary) if self._standby else nullcontext(primary)

    async def _prepare(self, connection: psycopg.AsyncConnection) -> None:
        try:
            row = await (await connection.execute(PRECONDITIONS)).fetchone()
        except psycopg.errors.UndefinedTable as error:
            raise EventLogUnsound(NO_EVENT_LOG) from error
        require_all(row or (), allow_unsafe=self._allow_unsafe)


def _received(copy: psycopg.AsyncCopy) -> bytes:
    """Return the next row of a COPY if it has arrived: to wait for each would cost as much as to decode it."""
    connection = copy.connection.pgconn
    length, row = connection.get_copy_data(1)
    if not length:  # libpq has none left, but the socket may
        connection.consume_input()
        length, row = connection.get_copy_data(1)
    return bytes(row) if length > 0 else b""


class PostgresEventReader:
    """The three-step reader on one connection."""

    def __init__(
        self,
        connection: psycopg.AsyncConnection,
        limits: EventLogLimits,
        postgres: PostgresLimits,
        *,
        source: Source,
    ) -> None:
        """:param source: gives the session that something is replayed from."""
        self._connection = connection
        self._pipeline = Pipeline(connection, prepared=set())
        self._source = source
        self._limits = limits
        self._answer_seconds = postgres.answer_seconds
        self._news = asyncio.Event()
        self._is_listening = self._is_woken = self._is_notified = False
        self._given = 0
        """The highest position that was read."""
        self.has_more = False
        connection.add_notify_handler(self._note)

    async def read(self, *, after: int, limit: int) -> Sequence[RecordedEvent]:
        rows = await self._all(_FOLLOWING, after, limit)
        found = len(rows)
        without_gap = sum(1 for nth, row in enumerate(rows, start=1) if row[0] == after + nth)
        if rows and not without_gap:
            rows = await self._all(_UP_TO_HORIZON, after, await self.horizon(), limit)
            without_gap = len(rows)
        portion = _portion(rows[:without_gap], limit=self._limits.portion_bytes)
        self.has_more = found == limit or len(portion) < found
        self._given = max(self._given, portion[-1][0] if portion else 0)
        return [recorded_in_row(row) for row in portion]

    async def horizon(self) -> int:
        # Two statements in this order and a third that reads the events, each with a snapshot of its own; any other
        # order loses commits: a transaction that was not announced announces later, so draws above `last`; an announced
        # one is above its bound; and one that had ended by then is visible to the third.
        [[(last,)], [(bound,)]] = await self._carried_out((_LAST_DRAWN, ()), (_LOWEST_ANNOUNCED, ()))
        return int(last) if bound is None else min(int(last), int(bound))

    async def last(self, *, until: int) -> int:
        return int(await self._one(_LAST, until))

    async def replay(
        self, *, after: int, until: int, within: IdRange = EVERYTHING
    ) -> AsyncIterator[Sequence[RecordedEvent]]:
        if after >= until:
            return
        async with self._source() as first:
            source = first
            while after < until:
                end = min(after + self._limits.copied, until)
                try:
                    async for portion in self._copied(source, after, end, within):
                        yield portion
                        after = portion[-1].position
                    after = end
                except Unavailable as error:
                    if source is self._connection:
                        raise
                    log.warning("the primary is read on, since its standby is lost", error=str(error))
                    source = self._connection

    async def _copied(
        self, source: psycopg.AsyncConnection, after: int, until: int, within: IdRange
    ) -> AsyncIterator[Sequence[RecordedEvent]]:
        with reachable():
            query = _COPY.format(after=after, until=until, within=_concerned(within))
            async with source.cursor().copy(query) as copy:
                while portion := await self._portion_of(copy):
                    yield portion

    async def _portion_of(self, copy: psycopg.AsyncCopy) -> list[RecordedEvent]:
        portion: list[RecordedEvent] = []
        size = 0
        with answered_within(copy.connection, seconds=self._answer_seconds):
            row = bytes(await copy.read())
            while row:
                if recorded := binary_rows.recorded_in(row):
                    portion.append(recorded)
                    size += len(row)
                if len(portion) >= self._limits.replayed or size >= self._limits.portion_bytes:
                    break
                row = (recorded and _received(copy)) or bytes(await copy.read())
        return portion

    async def head(self) -> int:
        return int(await self._one("select coalesce(max(position), 0) from event_log"))

    async def identity(self, *, position: int, since: int = 0) -> LogIdentity:
        [(event_id, count)] = await self._all(_IDENTITY, position, since, position)
        return LogIdentity(event_id, count)

    async def oldest(self, *, after: int) -> datetime | None:
        rows = await self._all(_OLDEST, after)
        return rows[0][0] if rows else None

    async def erasure(self, *, after: int) -> int | None:
        [(position,)] = await self._all(_ERASURE, after)
        return None if position is None else int(position)

    async def holder(self, *, after: int) -> Holder | None:
        rows = await self._all(_HOLDER, after, after)
        return Holder(*rows[0]) if rows else None

    async def wait(self, *, seconds: float) -> bool:
        if not self._is_listening:  # who never waits is not to be woken by each commit
            await self._carried_out((f"listen {CHANNEL}", ()))
            self._is_listening = True
            return False
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        with reachable():
            notified = await self._look(seconds)
            while not notified and not self._is_woken and loop.time() < until:
                notified = await self._look(until - loop.time())
        self._is_woken = False
        return notified

    async def _look(self, seconds: float) -> bool:
        """Return what has been notified, else wait: until something comes, or is asked in the same session."""
        async with self._pipeline.turn:  # two that take what comes on one line would take it from each other
            notified = self._has_been_notified()
            if not notified and not self._is_woken and seconds > 0:
                await self._until_readable(seconds)
            return notified

    def wake(self) -> None:
        self._is_woken = True
        self._news.set()

    def _note(self, notification: psycopg.Notify) -> None:
        self._is_notified |= self._is_news(notification.payload)

    def _has_been_notified(self) -> bool:
        """Take what has come; asked for it, psycopg would take several turns of the event loop, or look ever again."""
        line = self._connection.pgconn
        line.consume_input()
        while notification := line.notifies():
            self._is_notified |= self._is_news(notification.extra)
        notified, self._is_notified = self._is_notified, False
        return notified

    def _is_news(self, position: str | bytes) -> bool:
        """Whether what was committed at a position, with all that its transaction appended, has not been read yet."""
        return not (position.isascii() and position.isdigit()) or int(position) > self._given

    async def _until_readable(self, seconds: float) -> None:
        loop, fileno = asyncio.get_running_loop(), self._connection.fileno()
        loop.add_reader(fileno, self._news.set)
        try:
            async with asyncio.timeout(seconds):
                await self._news.wait()
        except TimeoutError:
            return
        finally:
            self._news.clear()
            loop.remove_reader(fileno)

    async def _carried_out(self, *statements: Statement) -> Sequence[Sequence[Row]]:
        if self._pipeline.turn.locked():
            self._news.set()
        with reachable(), answered_within(self._connection, seconds=self._answer_seconds):
            return await self._pipeline.carry_out(*statements)

    async def _all(self, query: str, *parameters: int) -> Sequence[Row]:
        [rows] = await self._carried_out((query, parameters))
        return rows

    async def _one(self, query: str, *parameters: int) -> Any:
        [(value,)] = await self._all(query, *parameters)
        return value
