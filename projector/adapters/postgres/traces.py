"""What PostgreSQL has of a person: their events in the log, and every text in every table."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, LiteralString, TypeAlias
from uuid import UUID

import msgspec
import psycopg
from psycopg import sql

from shared.errors import Unavailable
from shared.postgres.connection import connected, reachable

Query: TypeAlias = LiteralString | sql.Composed

PORTION = 2_000
"""Rows fetched at once."""

_OWN = """(aggregate in ('account', 'profile') and aggregate_id = %(account)s
           or aggregate = 'membership' and data ->> 'account_id' = %(account)s::text)"""
_ABOUT = f"select data from event_log where {_OWN} and data ->> 'type' not in ('redacted', 'account-erased')"  # noqa: S608
_OTHERS = f"select data::text, metadata::text from event_log where not {_OWN}"  # noqa: S608
_ERASED = """
    select max(position) filter (where type = 'account-erased'), count(*)
      from event_log where aggregate = 'account' and aggregate_id = %(account)s"""
_DELIVERIES = "select exists (select from deliveries where account_id = %(account)s)"
# All that can be read as text: strings, JSON, arrays and bytes; what is a number, a time or an id is none.
_COLUMNS = """
    select namespace.nspname, class.relname, attribute.attname, type.typname
      from pg_attribute as attribute
      join pg_class as class on class.oid = attribute.attrelid and class.relkind in ('r', 'p', 'm')
      join pg_namespace as namespace on namespace.oid = class.relnamespace
      join pg_type as type on type.oid = attribute.atttypid
     where attribute.attnum > 0 and not attribute.attisdropped
       and namespace.nspname not in ('pg_catalog', 'information_schema') and namespace.nspname not like 'pg_toast%%'
       and (type.typcategory in ('S', 'A', 'U', 'E', 'C') or type.typname = 'uuid')
     order by 1, 2, 3"""
STAYS = frozenset({"event_log.aggregate_id", "command_log.outcome_id", "webhooks.account_id"})
"""Where an id is kept: it tells that it was used up, what a repeated command answers, what an operator asked for."""


class PostgresTraces:
    """Opens a connection for each question, which nothing waits for: to ask all tables takes a transaction for each."""

    def __init__(self, url: str) -> None:
        self._url = url

    async def require_readable(self) -> None:
        async with self._connected() as connection:
            for schema, table, column, _ in await self._columns():
                look = sql.SQL("select {} from {} limit 0")
                try:
                    await connection.execute(look.format(sql.Identifier(column), sql.Identifier(schema, table)))
                except psycopg.errors.InsufficientPrivilege as error:
                    why = f"PostgreSQL: {error.diag.message_primary}: look with the rights of muster_prove"
                    raise Unavailable(why) from error

    async def erasure(self, account_id: UUID) -> tuple[int | None, int]:
        [(position, events)] = await self._all(_ERASED, {"account": account_id})
        return position, events

    async def events_about(self, account_id: UUID) -> list[Mapping[str, Any]]:
        return [msgspec.json.decode(data) for (data,) in await self._all(_ABOUT, {"account": account_id})]

    async def events_about_others(self, account_id: UUID) -> AsyncIterator[Sequence[str]]:
        async with self._connected() as connection:
            async for rows in _portions(connection, _OTHERS, {"account": account_id}):
                yield [text for row in rows for text in row]

    async def texts(self) -> AsyncIterator[tuple[str, Sequence[str | bytes]]]:
        async with self._connected() as connection:
            for schema, table, column, type_ in await self._columns():
                if type_ != "uuid":
                    async for texts in _texts(connection, schema, table, column, type_):
                        yield f"{table}.{column}", texts

    async def mentions(self, account_id: UUID) -> AsyncIterator[tuple[str, int]]:
        async with self._connected() as connection:
            for schema, table, column, type_ in await self._columns():
                if type_ == "uuid" and f"{table}.{column}" not in STAYS:
                    yield f"{table}.{column}", await _count(connection, schema, table, column, account_id)

    async def is_to_be_written_to(self, account_id: UUID) -> bool:
        [(found,)] = await self._all(_DELIVERIES, {"account": account_id})
        return bool(found)

    async def _columns(self) -> list[tuple[str, str, str, str]]:
        return await self._all(_COLUMNS)

    async def _all(self, query: Query, parameters: Mapping[str, Any] | None = None) -> list[Any]:
        async with self._connected() as connection:
            return await (await connection.execute(query, parameters)).fetchall()

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[psycopg.AsyncConnection]:
        async with connected(self._url) as connection:
            await connection.set_read_only(True)
            with reachable():
                yield connection


async def _texts(
    connection: psycopg.AsyncConnection, schema: str, table: str, column: str, type_: str
) -> AsyncIterator[Sequence[str | bytes]]:
    form = sql.SQL("{}") if type_ == "bytea" else sql.SQL("{}::text")
    value = sql.Identifier(column)
    query = sql.SQL("select {} from {} where {} is not null").format(
        form.format(value), sql.Identifier(schema, table), value
    )
    async for rows in _portions(connection, query):
        yield [_decoded(text) for (text,) in rows]


async def _count(connection: psycopg.AsyncConnection, schema: str, table: str, column: str, account_id: UUID) -> int:
    query = sql.SQL("select count(*) from {} where {} = %(account)s").format(
        sql.Identifier(schema, table), sql.Identifier(column)
    )
    async with connection.transaction():
        [(count,)] = await (await connection.execute(query, {"account": account_id})).fetchall()
    return int(count)


async def _portions(
    connection: psycopg.AsyncConnection, query: Query, parameters: Mapping[str, Any] | None = None
) -> AsyncIterator[list[Any]]:
    async with connection.transaction(), connection.cursor("portions") as cursor:
        await cursor.execute(query, parameters)
        while rows := await cursor.fetchmany(PORTION):
            yield rows


def _decoded(stored: str | bytes) -> str | bytes:
    """Return a text, of bytes too if they are one."""
    try:
        return stored if isinstance(stored, str) else stored.decode()
    except UnicodeDecodeError:
        return stored
