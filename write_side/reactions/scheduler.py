"""Reads the event log, and schedules what is to be done because of it."""

import asyncio
from collections.abc import Sequence

import structlog
from prometheus_client import Gauge

from shared.errors import Unsound
from shared.event_log import EventReader, RecordedEvent, UnknownEvent
from shared.runtime.retry import repeat
from write_side.ports import DeliverySession
from write_side.reactions.limits import REACTION_LIMITS, ReactionLimits
from write_side.reactions.reaction import Reaction, deliveries_of

_POSITION = Gauge(
    "muster_reactions_position", "The log's position up to which deliveries are scheduled.", multiprocess_mode="livesum"
)

log = structlog.get_logger()


class EventNotKnown(Unsound):
    """An event was written by a newer release, which may have reactions to it."""

    def __init__(self, recorded: RecordedEvent, event: UnknownEvent) -> None:
        super().__init__(
            f"position {recorded.position} holds an event of type {event.type!r} that this release cannot read "
            f"({event.why}): deploy `muster react` before `muster write`"
        )


class Scheduler:
    """Moves the checkpoint of all reactions along the log: an event is scheduled for once, whatever is killed."""

    def __init__(
        self,
        session: DeliverySession,
        reader: EventReader,
        reactions: Sequence[Reaction],
        *,
        limits: ReactionLimits = REACTION_LIMITS,
    ) -> None:
        self._session = session
        self._reader = reader
        self._reactions = reactions
        self._limits = limits
        self.scheduled = asyncio.Event()
        """Set whenever there is something new to deliver."""
        self.held_up: EventNotKnown | None = None
        """The event that nothing is scheduled for, nor for those behind it; it is looked at again and again."""

    async def run(self) -> None:
        """Follow the log, until cancelled."""
        await repeat(self._follow, after_error=self._hold_up)

    async def _follow(self) -> None:
        position = await self._session.checkpoint()
        while True:
            position = await self.catch_up(position)
            self.held_up = None
            await asyncio.sleep(self._limits.pause_seconds)
            await self._reader.wait(seconds=self._limits.poll_seconds)

    def _hold_up(self, error: Exception) -> float:
        """Let what is due be delivered meanwhile; any other error ends that too."""
        if not isinstance(error, EventNotKnown):
            raise error
        if self.held_up is None:
            log.error("an event holds up all behind it", error=str(error))
        self.held_up = error
        return self._limits.again_seconds

    async def catch_up(self, position: int) -> int:
        """
        Schedule for all events behind a position; return the position of the last.

        :raises EventNotKnown: nothing is scheduled for this event and those behind it.
        """
        while events := await self._reader.read(after=position, limit=self._limits.events):
            for nth, recorded in enumerate(events):
                if isinstance(recorded.event, UnknownEvent):
                    if nth:
                        await self._schedule(events[:nth], after=position)
                    raise EventNotKnown(recorded, recorded.event)
            position = await self._schedule(events, after=position)
        _POSITION.set(position)
        return position

    async def _schedule(self, events: Sequence[RecordedEvent], *, after: int) -> int:
        deliveries = [delivery for recorded in events for delivery in deliveries_of(recorded, self._reactions)]
        until = events[-1].position
        await self._session.schedule(deliveries, after=after, until=until)
        if deliveries:
            self.scheduled.set()
        return until
