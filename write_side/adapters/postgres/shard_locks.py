"""Locks of the bus' shards, held by a session of the database that the commands change."""

import asyncio
from contextlib import AsyncExitStack
from typing import Any

import psycopg

from shared.errors import Unavailable, Unsound
from shared.postgres.arguments import POSTGRES_LIMITS, PostgresLimits
from shared.postgres.connection import connected, reachable
from shared.postgres.terminate import answered_within
from shared.runtime.cancellation import to_the_end

_CLASS = 1262836052
_PRESENT = -1
"""Every consumer shares this lock, so that they can be counted."""

_JOIN = f"select pg_advisory_lock_shared({_CLASS}, {_PRESENT})"
_COUNT = f"""
    select count(*) from pg_locks
     where locktype = 'advisory' and classid = {_CLASS} and objid = {_PRESENT % 2**32} and granted
       and database = (select oid from pg_database where datname = current_database())"""  # noqa: S608
_TAKE = f"select pg_try_advisory_lock({_CLASS}, %s)"
_GIVE_UP = f"select pg_advisory_unlock({_CLASS}, %s)"


class PostgresShardLocks:
    """
    Advisory locks of one session: a consumer that dies loses them at once, one that stands still keeps them.

    What it has begun in other sessions claims its keys first, so that what comes after waits for it.
    """

    def __init__(self, url: str, *, limits: PostgresLimits = POSTGRES_LIMITS) -> None:
        self._url = url
        self._limits = limits
        self._session = AsyncExitStack()
        self._connection: psycopg.AsyncConnection | None = None
        self._one_at_a_time = asyncio.Lock()

    async def consumers(self) -> int:
        if self._connection is None:
            await to_the_end(self._connect())
        return int(await self._ask(_COUNT))

    async def take(self, shard: int) -> bool:
        return bool(await self._ask(_TAKE, shard))

    async def give_up(self, shard: int) -> None:
        await self._ask(_GIVE_UP, shard)

    async def require(self) -> None:
        await self._ask("select 1")

    async def aclose(self) -> None:
        self._connection = None
        await self._session.aclose()

    async def _connect(self) -> None:
        """Join the consumers; nothing is held yet."""
        try:
            self._connection = await self._session.enter_async_context(
                connected(self._url, autocommit=True, limits=self._limits)
            )
            await self._connection.execute(_JOIN)
        except (psycopg.Error, Unsound) as error:
            await self.aclose()
            raise Unavailable(str(error)) from error

    async def _ask(self, statement: str, *values: object) -> Any:
        """:raises Unavailable: the session is lost, and all locks with it."""
        return await to_the_end(self._answer(statement, *values))

    async def _answer(self, statement: str, *values: object) -> Any:
        async with self._one_at_a_time:
            if self._connection is None:
                raise Unavailable("the session that held the locks of the bus is lost")
            try:
                with reachable(), answered_within(self._connection, seconds=self._limits.answer_seconds):
                    cursor = await self._connection.execute(statement, values)
                    [value] = await cursor.fetchone() or (None,)
            except Unavailable:
                await self.aclose()
                raise
            return value
