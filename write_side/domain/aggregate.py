"""What all aggregates share: an identity, a version and the events they cause."""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, NamedTuple
from uuid import UUID

from shared.events import Event


class PendingEvent(NamedTuple):
    """An event that its aggregate caused, and that is not stored yet."""

    version: int
    event: Event
    at: datetime


class Recorder:
    """The events of an aggregate until they are stored. No dataclass: mappers make objects without `__init__`."""

    _pending: tuple[PendingEvent, ...] = ()


@dataclass(eq=False, kw_only=True)
class Aggregate(Recorder):
    """A unit of consistency: changed as a whole, by one command at a time. Its version is the number of its events."""

    kind: ClassVar[str]
    """What the event log calls it."""

    id: UUID
    version: int = 0

    def record(self, event: Event, *, at: datetime) -> None:
        """Note what happened; the unit of work stores it together with the new state."""
        self.version += 1
        self._pending = (*self._pending, PendingEvent(self.version, event, at))

    @property
    def pending(self) -> tuple[PendingEvent, ...]:
        """Events not stored yet, in the order they happened."""
        return self._pending

    @property
    def stored_version(self) -> int:
        """The version before this unit of work changed anything; 0 for a new aggregate."""
        return self.version - len(self._pending)

    def forget_pending(self) -> None:
        """The pending events are stored now."""
        self._pending = ()
