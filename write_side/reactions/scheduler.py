"""Reads the event log, and schedules what is to be done because of it."""

import asyncio
from collections.abc import Sequence

from prometheus_client import Gauge

from shared.errors import Unsound
from shared.event_log import EventReader, RecordedEvent, UnknownEvent
from write_side.ports import DeliverySession
from write_side.reactions.limits import REACTION_LIMITS, ReactionLimits
from write_side.reactions.reaction import Reaction, deliveries_of

_POSITION = Gauge(
    "muster_reactions_position", "The log's position up to which deliveries are scheduled.", multiprocess_mode="livesum"
)


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

    async def run(self) -> None:
        """Follow the log, until cancelled."""
        position = await self._session.checkpoint()
        while True:
            position = await self.catch_up(position)
            await asyncio.sleep(self._limits.pause_seconds)
            await self._reader.wait(seconds=self._limits.poll_seconds)

    async def catch_up(self, position: int) -> int:
        """
        Schedule for all events behind a position; return the position of the last.

        :raises EventNotKnown: nothing is scheduled for this event and those behind it.
        """
        while events := await self._reader.read(after=position, limit=self._limits.events):
            for recorded in events:
                if isinstance(recorded.event, UnknownEvent):
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
