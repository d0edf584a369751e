"""The plan of a batch: which documents its events touch, so that one read fetches them before anything is folded."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, NamedTuple, TypeAlias, TypeVar

from projector.declaring.documents import Key
from projector.declaring.errors import EventNotFoldable
from shared.event_log import RecordedEvent
from shared.events import Event, Redacted

E = TypeVar("E", bound=Event)

Touches: TypeAlias = Callable[[E, RecordedEvent], Iterable[Key]]
"""The documents that a reaction touches, by the event alone; see `Kind.by`."""


class Touched(NamedTuple):
    """
    The documents that an event touches.

    :param saved: what its reactions save.
    :param read: what they only look at.
    :param versioned: the records of its aggregate, whose version it moves; where there is none, nothing happens.
    """

    saved: Sequence[Key]
    read: Sequence[Key]
    versioned: Sequence[Key]

    def all(self) -> set[Key]:
        return {*self.saved, *self.read, *self.versioned}


@dataclass(slots=True)
class _Touches:
    """What reactions to one type of event touch."""

    saved: list[Touches[Any]] = field(default_factory=list)
    read: list[Touches[Any]] = field(default_factory=list)


_NONE = _Touches()


class Plan:
    """What the events touch to which a projection reacts."""

    def __init__(self, projection: str) -> None:
        self._projection = projection
        self._touches: dict[type | str, _Touches] = {}
        """By type of event; of what was redacted, by the name of what it was."""
        self._versioned: dict[str, list[str]] = {}
        """The kinds of records whose version the events of an aggregate move."""
        self.reads: set[type | str] = set()
        """The events to which a reaction looks at a document that it does not save."""

    def add(self, event: type | str, *, saved: Sequence[Touches[Any]], read: Sequence[Touches[Any]]) -> None:
        """Take note of what a reaction touches."""
        touches = self._touches.setdefault(event, _Touches())
        touches.saved += saved
        touches.read += read
        if read:
            self.reads.add(event)

    def add_version(self, kind: str, *, by: str) -> None:
        """Take note that every event of an aggregate moves the version of the record of a kind with the same id."""
        self._versioned.setdefault(by, []).append(kind)

    def wanted(self, events: Iterable[RecordedEvent]) -> set[Key]:
        """Every document that the events touch."""
        wanted = set[Key]()
        for recorded in events:
            with suppress(EventNotFoldable):  # the fold will come to it, and raise
                wanted.update(*self.touched(recorded))
        return wanted

    def touched(self, recorded: RecordedEvent) -> Touched:
        """
        Every document that the reactions to an event will touch.

        :raises EventNotFoldable: that cannot be known.
        """
        event, touches = recorded.event, self._of(recorded)
        try:
            saved = _keys(touches.saved, event, recorded)
            read = _keys(touches.read, event, recorded) if touches.read else ()
        except Exception as error:
            why = f"what it touches fails with {type(error).__name__}"
            raise EventNotFoldable.of(self._projection, recorded, why) from error
        return Touched(saved, read, self._versioned_by(recorded))

    def read_only(self, recorded: RecordedEvent) -> Sequence[Key]:
        """The documents that are only looked at."""
        return _keys(self._of(recorded).read, recorded.event, recorded)

    def functions(self) -> Iterable[Callable[..., Any]]:
        """Everything that was registered."""
        for each in self._touches.values():
            yield from chain(each.saved, each.read)

    def _versioned_by(self, recorded: RecordedEvent) -> Sequence[Key]:
        if isinstance(recorded.event, Redacted) or not (kinds := self._versioned.get(recorded.aggregate)):
            return ()
        id_ = str(recorded.aggregate_id)
        return [Key(kind, id_) for kind in kinds]

    def _of(self, recorded: RecordedEvent) -> _Touches:
        event = recorded.event
        return self._touches.get(event.was if isinstance(event, Redacted) else type(event), _NONE)


def _keys(named_by: Iterable[Touches[Any]], event: Any, recorded: RecordedEvent) -> list[Key]:
    return [key for each in named_by for key in each(event, recorded)]
