"""A standby that is read in place of its primary, once it shows whatever the primary has shown."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, Self

import psycopg
import structlog
from psycopg.conninfo import make_conninfo

from shared.errors import Unavailable, Unsound
from shared.postgres.arguments import POSTGRES_LIMITS, PostgresLimits
from shared.postgres.connection import connected, reachable
from shared.postgres.terminate import answered_within
from shared.runtime.retry import RetryPolicy
from shared.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class StandbyLimits:
    """
    How far a standby may be behind.

    :param seconds: for which it is waited for; then the primary is read.
    """

    seconds: float = 5.0


STANDBY_LIMITS = StandbyLimits()

# A commit of Muster's is shown by the primary only once its record is flushed, and so on its way to standbys. What was
# inserted behind it (hint bits of readers) may stay in memory for long where the primary rests, or be flushed up to the
# end of a page, in the midst of a record, which no standby replays. The empty transaction of this question has that
# record flushed, too.
_FLUSHED = """
    select pg_current_wal_flush_lsn()::text, system_identifier, pg_current_xact_id() from pg_control_system()"""
_REPLAYED = """
    select pg_last_wal_replay_lsn()::text, pg_last_wal_replay_lsn() >= %s::pg_lsn, system_identifier
      from pg_control_system()"""

log = structlog.get_logger()


class Standby:
    """Opens sessions with a standby; each shows what the primary did when it was asked for, or something later."""

    def __init__(
        self, url: str, *, limits: StandbyLimits = STANDBY_LIMITS, postgres: PostgresLimits = POSTGRES_LIMITS
    ) -> None:
        """:param url: `postgresql://…`; of several hosts the first that is a standby is used."""
        self._url = make_conninfo(url, target_session_attrs="standby")
        self._limits = limits
        self._postgres = postgres

    @classmethod
    def from_settings(cls, settings: Settings) -> Self | None:
        """Return the one that the settings name, None if they name none."""
        if settings.log_standby_url is None:
            return None
        limits, postgres = settings.limits_of(StandbyLimits), settings.limits_of(PostgresLimits)
        return cls(settings.log_standby_url, limits=limits, postgres=postgres)

    @asynccontextmanager
    async def instead_of(self, primary: psycopg.AsyncConnection) -> AsyncIterator[psycopg.AsyncConnection]:
        """Open a session with the standby; give the primary's, and log why, where there is none or it is too late."""
        async with AsyncExitStack() as session:
            try:
                connection = await session.enter_async_context(self._level_with(primary))
            except (Unavailable, Unsound) as error:
                log.warning("the primary is read in place of its standby", error=str(error))
                connection = primary
            yield connection

    @asynccontextmanager
    async def _level_with(self, primary: psycopg.AsyncConnection) -> AsyncIterator[psycopg.AsyncConnection]:
        async with connected(self._url, autocommit=True, limits=self._postgres) as connection:
            await self._catch_up(connection, primary)
            await connection.set_autocommit(primary.autocommit)
            yield connection

    async def _catch_up(self, connection: psycopg.AsyncConnection, primary: psycopg.AsyncConnection) -> None:
        """:raises Unavailable: it has not replayed in time what the primary has written, or that of another one."""
        flushed, cluster, _ = await self._asked(primary, _FLUSHED)

        async def position() -> tuple[Any, ...]:
            replayed, has_replayed, of = await self._asked(connection, _REPLAYED, flushed)
            if of != cluster:
                raise Unavailable("MUSTER_LOG_STANDBY_URL names no standby of this primary")
            return replayed, has_replayed

        policy = RetryPolicy(first=0.005, longest=0.1, within=self._limits.seconds)
        replayed, has_replayed = await policy.until(itemgetter(1), position)
        if not has_replayed:
            raise Unavailable(
                f"the standby is more than {self._limits.seconds} seconds behind:"
                f" it has replayed {replayed}, the primary had flushed {flushed}"
            )

    async def _asked(self, connection: psycopg.AsyncConnection, query: str, *values: object) -> tuple[Any, ...]:
        """Ask without leaving a transaction open."""
        with reachable(), answered_within(connection, seconds=self._postgres.answer_seconds):
            async with connection.transaction():
                [row] = await (await connection.execute(query, values)).fetchall()
        return row
