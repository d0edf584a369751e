"""The write side's state in PostgreSQL, through the views that it publishes."""

from collections.abc import AsyncIterator, Collection, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Any, LiteralString
from uuid import UUID

import msgspec
import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from projector.audit.drift import Counterpart, Fields
from shared.event_log import EventLogUnsound, RecordedEvent
from shared.event_log.adapters.postgres import read_snapshot
from shared.event_log.adapters.standby import Standby
from shared.postgres.connection import connected, reachable
from shared.postgres.kept_session import KeptSession

ROWS = 2_000
"""Fetched at once."""


class PostgresDirectory:
    """Opens a connection for each snapshot, or keeps one for a single caller that looks again and again."""

    def __init__(self, url: str, *, keep: bool = False, standby: Standby | None = None) -> None:
        """:param standby: is read in place of the primary."""
        self._standby = standby
        connect = partial(connected, url)
        self._kept = KeptSession(connect)
        self._connected = self._kept.lent if keep else connect

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator["PostgresSnapshot"]:
        async with AsyncExitStack() as sessions:
            connection = await sessions.enter_async_context(self._connected())
            if self._standby:
                connection = await sessions.enter_async_context(self._standby.instead_of(connection))
            await connection.set_isolation_level(psycopg.IsolationLevel.REPEATABLE_READ)
            await connection.set_read_only(True)
            yield PostgresSnapshot(connection)
            with reachable():
                await connection.rollback()

    async def aclose(self) -> None:
        """End the session, if one is kept."""
        await self._kept.aclose()


class PostgresSnapshot:
    """The view that one transaction has; the first question settles the moment."""

    def __init__(self, connection: psycopg.AsyncConnection) -> None:
        self._connection = connection

    async def events(self, *, after: int, limit: int) -> Sequence[RecordedEvent]:
        return await read_snapshot(self._connection, after=after, limit=limit)

    async def rows(self, counterpart: Counterpart) -> AsyncIterator[tuple[str, Fields]]:
        with _published():
            async with self._connection.cursor(f"rows_of_{counterpart.view}", row_factory=dict_row) as cursor:
                cursor.itersize = ROWS
                await cursor.execute(_rows(counterpart))
                async for row in cursor:
                    yield row.pop("id"), _plain(row)

    async def rows_of(self, counterpart: Counterpart, ids: Collection[str]) -> Mapping[str, Fields]:
        keys = [key for id_ in ids if (key := _key(id_)) and len(key) == len(counterpart.key)]
        if not keys:
            return {}
        columns = [list(column) for column in zip(*keys, strict=True)]
        with _published():
            async with self._connection.cursor(row_factory=dict_row) as cursor:
                await cursor.execute(_rows(counterpart) + _among(counterpart), columns)
                return {row.pop("id"): _plain(row) async for row in cursor}

    async def head(self) -> int:
        [(head,)] = await self._all("select coalesce(max(position), 0) from event_log", ())
        return int(head)

    async def some(self, aggregate: str, *, after: int, limit: int) -> Sequence[str]:
        return [str(id_) for (id_,) in await self._all(_SOME, (after, aggregate, limit))]

    async def _all(self, query: LiteralString, parameters: Sequence[Any]) -> list[Any]:
        with reachable():
            return await (await self._connection.execute(query, parameters)).fetchall()


_SOME = """
    select aggregate_id from event_log where position > %s and aggregate = %s order by position limit %s"""


def _rows(counterpart: Counterpart) -> sql.Composed:
    """All rows, with the id of the record each is compared with."""
    key = sql.SQL(", ").join(map(sql.Identifier, counterpart.key))
    return sql.SQL("select concat_ws(':', {}) as id, * from {}").format(key, sql.Identifier(counterpart.view))


def _among(counterpart: Counterpart) -> sql.Composed:
    key = sql.SQL(", ").join(map(sql.Identifier, counterpart.key))
    arrays = sql.SQL(", ").join([sql.SQL("%s::uuid[]")] * len(counterpart.key))
    return sql.SQL(" where ({}) in (select * from unnest({}))").format(key, arrays)


def _key(id_: str) -> list[UUID] | None:
    """Return a record's key as the columns have it; None if no row can have it."""
    try:
        return list(map(UUID, id_.split(":")))
    except ValueError:
        return None


@contextmanager
def _published() -> Iterator[None]:
    with reachable():
        try:
            yield
        except psycopg.errors.UndefinedTable as error:
            raise EventLogUnsound("the database does not publish the directory: run `muster migrate`") from error


def _plain(row: Mapping[str, Any]) -> Fields:
    """A row as JSON has it; times as in records, in UTC."""
    return {name: _plain_value(value) for name, value in row.items()}


def _plain_value(value: Any) -> Any:
    match value:
        case bytes():  # JSON that was not taken apart
            return msgspec.json.decode(value)
        case UUID():
            return str(value)
        case datetime():
            return msgspec.to_builtins(value.astimezone(UTC))
    return value
