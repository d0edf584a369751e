"""Notifies readers of the event log that something was committed."""

import asyncio

import psycopg
import structlog

from shared.errors import Unavailable, Unsound
from shared.event_log.adapters.postgres import CHANNEL
from shared.postgres.arguments import POSTGRES_LIMITS, PostgresLimits
from shared.postgres.connection import connected
from shared.postgres.pipeline import Pipeline, Statement
from shared.runtime.retry import repeat

RECONNECT_SECONDS = 0.5

_NOTIFY: Statement = (f"notify {CHANNEL}", ())

log = structlog.get_logger()


class PostgresNotifier:
    """
    Sends NOTIFY on a connection of its own, once for all commits of single commands since the last time.

    Outside the command's transaction, where NOTIFY would take a lock that makes all commits of the cluster queue. It is
    a hint: readers poll as well, so a notification that is lost costs time and no event.
    """

    def __init__(self, url: str, *, limits: PostgresLimits = POSTGRES_LIMITS) -> None:
        self._url = url
        self._limits = limits
        self._is_due = asyncio.Event()

    def notify(self) -> None:
        """Have a notification sent soon."""
        self._is_due.set()

    async def run(self) -> None:
        """Send notifications, for as long as the service lives."""
        await repeat(self._connect_and_send, after_error=_reconnect)

    async def _connect_and_send(self) -> None:
        async with connected(self._url, autocommit=True, limits=self._limits) as connection:
            pipeline = Pipeline(connection, prepared=set())
            while True:
                await self._is_due.wait()
                self._is_due.clear()
                await pipeline.carry_out(_NOTIFY)


def _reconnect(error: Exception) -> float:
    if not isinstance(error, Unavailable | Unsound | psycopg.Error):
        raise error
    log.info("the notifier has no connection", error=type(error).__name__)
    return RECONNECT_SECONDS
