"""An event log that is read again and again in one session."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from shared.event_log.ports import EventLog, EventReader
from shared.postgres.kept_session import KeptSession


class PersistentEventLog:
    """
    Opens one session when it is first asked for one, and hands it out until something fails in it.

    For one caller at a time: a new session every second would cost more than what is read in it.
    """

    def __init__(self, log: EventLog) -> None:
        self._session = KeptSession(log.connect)

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[EventReader]:
        async with self._session.lent() as reader:
            yield reader

    async def aclose(self) -> None:
        """End the session, if there is one."""
        await self._session.aclose()
