"""
The event log in PostgreSQL, read by announced appends.

Positions are drawn before commit, so a slow transaction can commit 7 after 8 was read. Every transaction that appends
therefore announces, by an advisory lock, a bound above which all its positions will lie (the trigger is in the first
migration), and the reader passes a gap only when no living transaction can still fill it. No time-out, clock or xmin.
"""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime
from typing import Any

import psycopg
from psycopg import sql
from psycopg.abc import Buffer, Params
from psycopg.adapt import Loader
from psycopg.conninfo import conninfo_to_dict

from shared.errors import Unavailable
from shared.event_log.codec import decode, decode_metadata
from shared.event_log.ports import EventLogUnsound, Holder, LogIdentity, RecordedEvent
from shared.event_log.preconditions import SOUNDNESS, violations

CHANNEL = "muster_events"
"""What the write side notifies after a commit; only a hint, so nothing is lost with it."""


def connect_args(url: str) -> dict[str, Any]:
    """
    How every session with PostgreSQL is opened: on the primary, and soon aware that the other end is gone.

    :param url: any connection string of libpq; several hosts are allowed.
    """
    alive = {"keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3, "tcp_user_timeout": 15_000}
    return {"target_session_attrs": "read-write", "connect_timeout": 5, **alive, **conninfo_to_dict(url)}


ANSWER_SECONDS = 30.0
"""Then a server that hangs (a frozen process, a dead disk) counts as lost, although its kernel answers keepalives."""

PORTION_BYTES = 4 * 1024 * 1024
"""What is read at once at most: a projector writes it in one transaction, for which readers wait."""

Statement = str | sql.Composed

_COLUMNS = "position, event_id, aggregate, aggregate_id, version, type, schema, data, metadata, occurred_at"
_DATA = 7
_READ = sql.SQL(f"select {_COLUMNS} from event_log where position > %s {{}} order by position limit %s")  # noqa: S608
_FOLLOWING = _READ.format(sql.SQL(""))
_UP_TO_HORIZON = _READ.format(sql.SQL("and position <= %s"))
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
        or not exists (select from event_log where position = %(after)s + 1)
       and exists (select from event_log where position > %(after)s)
     order by bound, since limit 1"""  # noqa: S608
_IDENTITY = """
    select (select event_id from event_log where position = %(position)s),
           (select count(*) from event_log where position > %(since)s and position <= %(position)s)"""
_OLDEST = "select occurred_at from event_log where position > %s order by position limit 1"

_ERASURE = "select max(position) from event_log where type = 'account-erased' and position > %s"


class _RawJson(Loader):
    """Hands JSON over as bytes: msgspec reads them straight into the event."""

    def load(self, data: Buffer) -> bytes:
        return bytes(data)


@asynccontextmanager
async def connected(url: str, *, autocommit: bool = False) -> AsyncIterator[psycopg.AsyncConnection]:
    """
    A connection that is closed at the end, whatever happens; what was not committed is gone with it.

    psycopg's own block asks for COMMIT or ROLLBACK first, and leaves the connection open where that fails or is
    cancelled.

    :raises Unavailable: there is no connection to be had.
    """
    with unavailable():
        connection = await psycopg.AsyncConnection.connect(autocommit=autocommit, **connect_args(url))
    try:
        yield connection
    finally:
        await connection.close()


def hang_up(connection: psycopg.AsyncConnection) -> None:
    """
    Close the line under a connection.

    A waiting caller learns that it is lost, as after a crash. To cancel the statement would ask the server
    for one more answer; and a COMMIT that is cancelled may take effect all the same.
    """
    if not connection.closed:
        with socket.socket(fileno=os.dup(connection.fileno())) as line:
            line.shutdown(socket.SHUT_RDWR)


@contextmanager
def answered_within(connection: psycopg.AsyncConnection, *, seconds: float) -> Iterator[None]:
    """Hang up on a server that is so long in answering."""
    timer = asyncio.get_running_loop().call_later(seconds, hang_up, connection)
    try:
        yield
    finally:
        timer.cancel()


def hand_json_over(connection: psycopg.AsyncConnection) -> None:
    """Have JSON come as bytes, as `read_snapshot` needs it."""
    connection.adapters.register_loader("json", _RawJson)


def _portion(rows: Sequence[Any]) -> Sequence[Any]:
    """So many of the rows that their data stay within `PORTION_BYTES`, but one at least."""
    total = 0
    for nth, row in enumerate(rows):
        total += len(row[_DATA])
        if total > PORTION_BYTES and nth:
            return rows[:nth]
    return rows


def _recorded(row: Sequence[Any]) -> RecordedEvent:
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
    The events behind a position that a transaction sees, in order, at most `limit`; gaps are passed over.

    Only for a transaction with one snapshot (REPEATABLE READ), and to compare it with what else that shows: who goes on
    from there may have skipped an event.
    """
    with unavailable():
        rows = await (await connection.execute(_FOLLOWING, (after, limit))).fetchall()
    return [_recorded(row) for row in _portion(rows)]


class PostgresEventLog:
    """Reads `event_log` on the primary that `url` names; a session is a connection of its own in autocommit."""

    def __init__(self, url: str, *, allow_unsafe: bool = False) -> None:
        """
        :param url: `postgresql://…`; several hosts are allowed.
        :param allow_unsafe: accept a server without `fsync`, as tests use it.
        """
        self._url = url
        self._allow_unsafe = allow_unsafe

    @asynccontextmanager
    async def connect(self) -> AsyncIterator["PostgresEventReader"]:
        async with connected(self._url, autocommit=True) as connection:
            with unavailable(), answered_within(connection, seconds=ANSWER_SECONDS):
                await self._prepare(connection)
            yield PostgresEventReader(connection)

    async def _prepare(self, connection: psycopg.AsyncConnection) -> None:
        hand_json_over(connection)
        await connection.execute("set default_transaction_isolation = 'read committed'")
        try:
            row = await (await connection.execute(SOUNDNESS)).fetchone()
        except psycopg.errors.UndefinedTable as error:
            message = "the database has no event log: run `muster migrate`"
            raise EventLogUnsound(message) from error
        if row is not None and (broken := violations(row, allow_unsafe=self._allow_unsafe)):
            raise EventLogUnsound(broken)
        await connection.execute(f"listen {CHANNEL}")


class PostgresEventReader:
    """The three-step reader on one connection."""

    def __init__(self, connection: psycopg.AsyncConnection) -> None:
        self._connection = connection

    async def read(self, *, after: int, limit: int) -> Sequence[RecordedEvent]:
        rows = await self._all(_FOLLOWING, (after, limit))
        without_gap = sum(1 for nth, row in enumerate(rows, start=1) if row[0] == after + nth)
        if rows and not without_gap:
            # Three statements in this order, each with a snapshot of its own; any other order loses commits: who was
            # not among the announced announces later, so draws above `last`; an announced one is above its bound; and
            # one that had ended by then is visible to the third.
            last = await self._one(_LAST_DRAWN)
            bound = await self._one(_LOWEST_ANNOUNCED)
            horizon = last if bound is None else min(last, bound)
            rows = await self._all(_UP_TO_HORIZON, (after, horizon, limit))
            without_gap = len(rows)
        return [_recorded(row) for row in _portion(rows[:without_gap])]

    async def head(self) -> int:
        return int(await self._one("select coalesce(max(position), 0) from event_log"))

    async def identity(self, *, position: int, since: int = 0) -> LogIdentity:
        [(event_id, count)] = await self._all(_IDENTITY, {"position": position, "since": since})
        return LogIdentity(event_id, count)

    async def oldest(self, *, after: int) -> datetime | None:
        rows = await self._all(_OLDEST, (after,))
        return rows[0][0] if rows else None

    async def erasure(self, *, after: int) -> int | None:
        [(position,)] = await self._all(_ERASURE, (after,))
        return None if position is None else int(position)

    async def holder(self, *, after: int) -> Holder | None:
        rows = await self._all(_HOLDER, {"after": after})
        return Holder(*rows[0]) if rows else None

    async def wait(self, *, seconds: float) -> bool:
        with unavailable():
            return bool([each async for each in self._connection.notifies(timeout=seconds, stop_after=1)])

    async def _all(self, query: Statement, parameters: Params | None = None) -> list[Any]:
        with unavailable(), answered_within(self._connection, seconds=ANSWER_SECONDS):
            return await (await self._connection.execute(query, parameters)).fetchall()

    async def _one(self, query: Statement) -> Any:
        [(value,)] = await self._all(query)
        return value


@contextmanager
def unavailable() -> Iterator[None]:
    """Say `Unavailable` for what the driver says of a lost connection or a server that is away."""
    try:
        yield
    except psycopg.OperationalError as error:
        raise Unavailable(str(error).strip()) from error
