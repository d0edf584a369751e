"""An event log that many ask something small, in one session."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from shared.event_log.adapters.persistent import PersistentEventLog
from shared.event_log.ports import EventLog, EventReader


class SharedSessionLog:
    """Hands one session from one caller to the next, and ends it once none is there that may want it."""

    def __init__(self, log: EventLog) -> None:
        self._log = PersistentEventLog(log)
        self._turn = asyncio.Lock()
        self._callers = 0

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[EventReader]:
        async with self.kept(), self._turn, self._log.connect() as reader:
            yield reader

    @asynccontextmanager
    async def kept(self) -> AsyncIterator[None]:
        """Have no session ended meanwhile that is sound."""
        self._callers += 1
        try:
            yield
        finally:
            self._callers -= 1
            if not self._callers:
                await self._log.aclose()
