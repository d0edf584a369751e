"""An event log in memory: for tests and for trying things out."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime

from shared.errors import Unavailable
from shared.event_log.ports import Holder, LogIdentity, RecordedEvent
from shared.event_log.ranges import EVERYTHING, IdRange
from shared.event_log.redaction import redacted
from shared.events import AccountErased

REPLAYED = 5
"""Events in one portion of a replay."""


class MemoryEventLog:
    """Keeps its events in a list; `available` can be set to False to play a database that is away."""

    def __init__(self) -> None:
        self.available = True
        self._events: list[RecordedEvent] = []
        self._waiting: list[asyncio.Event] = []

    @property
    def events(self) -> Sequence[RecordedEvent]:
        """All that was committed and not redacted since, in order."""
        return tuple(self._events)

    @property
    def next_position(self) -> int:
        return self._events[-1].position + 1 if self._events else 1

    def append(self, events: Iterable[RecordedEvent]) -> None:
        """Add committed events whose positions follow those before; a gap is allowed, as after a rollback."""
        self._events.extend(events)

    def redact(self, of: Callable[[RecordedEvent], bool], *, by: int) -> None:
        """Leave nothing of these events but that they were; no reader sees only some of them redacted."""
        for nth, recorded in enumerate(self._events):
            if of(recorded):
                self._events[nth] = redacted(recorded, by=by)

    def notify(self) -> None:
        """Wake all that wait for an append, now or next."""
        for notified in self._waiting:
            notified.set()

    @asynccontextmanager
    async def connect(self) -> AsyncIterator["MemoryEventReader"]:
        self.check()
        notified = asyncio.Event()
        self._waiting.append(notified)
        try:
            yield MemoryEventReader(self, self._events, notified)
        finally:
            self._waiting.remove(notified)

    def check(self) -> None:
        if not self.available:
            message = "the log in memory was made unavailable"
            raise Unavailable(message)


class MemoryEventReader:
    """One session with a `MemoryEventLog`."""

    def __init__(self, log: MemoryEventLog, events: list[RecordedEvent], notified: asyncio.Event) -> None:
        self._log = log
        self._events = events
        self._notified = notified
        self.has_more = False

    async def read(self, *, after: int, limit: int) -> Sequence[RecordedEvent]:
        events = self._after(after)
        self.has_more = len(events) > limit
        return events[:limit]

    async def horizon(self) -> int:
        return await self.head()

    async def last(self, *, until: int) -> int:
        return max((each.position for each in self._after(0) if each.position <= until), default=0)

    async def replay(
        self, *, after: int, until: int, within: IdRange = EVERYTHING
    ) -> AsyncIterator[Sequence[RecordedEvent]]:
        while portion := [each for each in self._after(after) if each.position <= until][:REPLAYED]:
            yield [each for each in portion if _concerns(within, each)]
            after = portion[-1].position

    async def head(self) -> int:
        self._log.check()
        return self._log.next_position - 1

    async def identity(self, *, position: int, since: int = 0) -> LogIdentity:
        leading = [event for event in self._after(since) if event.position <= position]
        exact = bool(leading) and leading[-1].position == position
        return LogIdentity(leading[-1].event_id if exact else None, len(leading))

    async def oldest(self, *, after: int) -> datetime | None:
        return next((event.occurred_at for event in self._after(after)), None)

    async def erasure(self, *, after: int) -> int | None:
        erased = [event.position for event in self._after(after) if isinstance(event.event, AccountErased)]
        return max(erased, default=None)

    async def holder(self, *, after: int) -> Holder | None:  # noqa: ARG002 - a list has no transactions
        self._log.check()
        return None

    async def wait(self, *, seconds: float) -> bool:
        self._log.check()
        try:
            async with asyncio.timeout(seconds):
                await self._notified.wait()
        except TimeoutError:
            return False
        self._notified.clear()
        return True

    def wake(self) -> None:
        self._notified.set()

    def _after(self, position: int) -> list[RecordedEvent]:
        self._log.check()
        return [event for event in self._events if event.position > position]


def _concerns(within: IdRange, each: RecordedEvent) -> bool:
    return within.concerns(each.event, aggregate=each.aggregate, aggregate_id=each.aggregate_id)
