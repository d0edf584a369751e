"""Counting what is asked of an event log, and following one as a processor does."""

import asyncio
from contextlib import asynccontextmanager

from shared.event_log import MemoryEventLog
from tests.support.patience import SECONDS


class CountedReads:
    """An event log that counts its sessions, its reads, and the events that they gave."""

    def __init__(self, log):
        self._log = log
        self.sessions = self.reads = self.given = 0

    @asynccontextmanager
    async def connect(self):
        async with self._log.connect() as reader:
            self.sessions += 1
            read = reader.read

            async def counted(*, after, limit):
                events = await read(after=after, limit=limit)
                self.reads += 1
                self.given += len(events)
                return events

            reader.read = counted
            yield reader


class CountedMemoryLog(MemoryEventLog):
    """The same in memory."""

    def __init__(self):
        super().__init__()
        self.counted = CountedReads(super())

    @asynccontextmanager
    async def connect(self):
        async with self.counted.connect() as reader:
            yield reader


class Reading:
    """Follows a log from its beginning."""

    def __init__(self, follower, *, limit):
        self.follower, self.limit = follower, limit
        self.events = []

    @property
    def position(self):
        return self.events[-1].position if self.events else 0

    async def once(self):
        events = await self.follower.read(after=self.position, limit=self.limit)
        self.events += events
        return events

    async def reach(self, position):
        async with asyncio.timeout(SECONDS):
            while self.position < position:
                if not await self.once() and not self.follower.has_more:
                    await self.follower.wait(seconds=SECONDS)
