"""Tells readers of the event log that something was committed."""

import asyncio

import psycopg
import structlog

from shared.errors import Unavailable
from shared.event_log.adapters.postgres import CHANNEL, connected

RECONNECT_SECONDS = 0.5

log = structlog.get_logger()


class PostgresBell:
    """
    Rings NOTIFY on a connection of its own, once for all commits since the last time.

    Outside the command's transaction, where NOTIFY would take a lock that makes all commits of the cluster queue. It is
    a hint: readers poll as well, so a ring that is lost costs time and no event.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._rung = asyncio.Event()

    def ring(self) -> None:
        self._rung.set()

    async def run(self) -> None:
        """Pass the rings on, for as long as the service lives."""
        while True:
            try:
                async with connected(self._url, autocommit=True) as connection:
                    await self._pass_on(connection)
            except (Unavailable, psycopg.Error) as error:
                log.info("the bell has no connection", error=type(error).__name__)
                await asyncio.sleep(RECONNECT_SECONDS)

    async def _pass_on(self, connection: psycopg.AsyncConnection) -> None:
        while True:
            await self._rung.wait()
            self._rung.clear()
            await connection.execute(f"notify {CHANNEL}")
