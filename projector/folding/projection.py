"""What a projection is: a table of reactions to events, and of where its records are found."""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import chain
from typing import Any, NamedTuple, TypeAlias, TypeVar

import msgspec
from msgspec import UNSET

from projector.folding.documents import Documents, Fetched, Key, Kind, Record
from projector.folding.errors import EventNotFoldable
from projector.folding.fan_out import FanOut
from projector.folding.index_entries import Entry
from shared.event_log import RecordedEvent, UnknownEvent
from shared.events import Event, Redacted, type_of
from shared.read_model.ordering import IndexRow

E = TypeVar("E", bound=Event)

Touches: TypeAlias = Callable[[E, RecordedEvent], Iterable[Key]]
"""The documents that a reaction touches, by the event alone."""

Follows: TypeAlias = Callable[[E, Fetched], Iterable[Key]]
"""The documents that a reaction is led to by those already fetched; called again until it names nothing more."""

React: TypeAlias = Callable[[E, RecordedEvent, Documents], None]
"""What a projection makes of an event. Whatever it raises parks the event: nothing that it saved is kept."""

Registering: TypeAlias = Callable[[React[E]], React[E]]


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


def timestamp_of(recorded: RecordedEvent) -> datetime:
    """Return the time of an event in UTC: a record's bytes must not depend on the database's time zone."""
    return recorded.occurred_at.astimezone(UTC)


def given(event: Event, *fields: str) -> dict[str, Any]:
    """Those of some fields that an event says something of."""
    return {name: value for name in fields if (value := getattr(event, name)) is not UNSET}


@dataclass(slots=True)
class _Reactions:
    """Everything there is to one type of event."""

    react: list[React[Any]] = field(default_factory=list)
    touches: list[Touches[Any]] = field(default_factory=list)
    reads: list[Touches[Any]] = field(default_factory=list)
    follows: list[Follows[Any]] = field(default_factory=list)

    def registering(
        self, touches: Touches[E], reads: Touches[E] | None, follows: Follows[E] | None = None
    ) -> Registering[E]:
        def register(react: React[E]) -> React[E]:
            self.react.append(react)
            self.touches.append(touches)
            self.reads.extend(filter(None, (reads,)))
            self.follows.extend(filter(None, (follows,)))
            return react

        return register


_NONE = _Reactions()


@dataclass(frozen=True, slots=True)
class _Version:
    kind: Kind[Any]
    field: str
    touches_updated_at: bool

    def move(self, id: str, recorded: RecordedEvent, documents: Documents) -> None:
        record = documents.find(self.kind, id)
        if record is None or getattr(record, self.field) == recorded.version:  # not there, or just made
            return
        change: dict[str, Any] = {self.field: recorded.version}
        if self.touches_updated_at:
            change["updated_at"] = timestamp_of(recorded)
        documents.save(self.kind, id, msgspec.structs.replace(record, **change))


@dataclass(frozen=True, slots=True)
class _Index:
    entries: Callable[[str, Any], Iterable[Entry]]
    row: Callable[[Any], IndexRow] | None


class Projection:
    """
    A read model: pure functions that the engine fetches documents for, and stores what they make of them.

    :param name: in keys and for operators.
    :param version: raised with every change that makes older documents wrong; a generation is fed by its own version
        only.
    :param documents: every kind that it keeps. A commit writes them in this order. After a crash in its middle,
        documents of the first kinds may be ahead of those of the last: what is counted comes before what its
        counting depends on.
    :param waits_to_read: whether an event waits for the parked ones of what it reads as well, so that this is no state
        of earlier.
    """

    def __init__(self, name: str, *, version: int, documents: Sequence[Kind[Any]], waits_to_read: bool = False) -> None:
        self.name = name
        self.version = version
        self.kinds = documents
        self.waits_to_read = waits_to_read
        self.indexes: tuple[str, ...] = ()
        """What its index entries are by; unique entries begin with `by-`."""
        self._reactions: dict[type | str, _Reactions] = {}
        """By type of event; to what was redacted, by the name of what it was."""
        self._versions: dict[str, list[_Version]] = {}
        self._fan_outs: dict[type, Callable[[Any], FanOut | None]] = {}
        self._indexes: dict[str, _Index] = {}
        self.open_kinds: frozenset[str] = frozenset()

    def on(
        self, event: type[E], *, touches: Touches[E], reads: Touches[E] | None = None, follows: Follows[E] | None = None
    ) -> Registering[E]:
        """
        React to an event; several reactions to one are called in the order in which they stand.

        :param touches: what it saves. It alone is fetched, with what it reads and what its aggregate's version is in.
        :param reads: what it only looks at. If what it saves is parked, so is the event; what it reads may be a state
            of earlier, because events of that document are parked, or of later, because the event was parked itself.
        """
        return self._reactions.setdefault(event, _Reactions()).registering(touches, reads, follows)

    def on_redacted(
        self, event: type[Event], *, touches: Touches[Redacted], reads: Touches[Redacted] | None = None
    ) -> Registering[Redacted]:
        """React to what is left of an event whose person was erased: it is still counted."""
        return self._reactions.setdefault(type_of(event), _Reactions()).registering(touches, reads)

    def versioned(self, kind: Kind[Any], *, by: str, field: str, touches_updated_at: bool = False) -> None:
        """
        Have every event of an aggregate, whether there is a reaction to it or not, move the version of its record.

        Otherwise a new event would have readers served a version that `If-Match` refuses. Only a record that is there
        is moved, and never by what was redacted.
        """
        self._versions.setdefault(by, []).append(_Version(kind, field, touches_updated_at))

    def indexed(
        self,
        kind: Kind[Record],
        entries: Callable[[str, Record], Iterable[Entry]],
        *,
        by: Collection[str],
        row: Callable[[Record], IndexRow] | None = None,
    ) -> None:
        """
        Say where records are to be found; the engine stores the difference to where they were.

        :param entries: of the record with an id, each by one of `by`.
        :param row: what of a record decides in which lists of many orders it stands; the engine keeps those lists.
        """
        self.indexes = (*self.indexes, *by)
        self._indexes[kind.name] = _Index(entries, row)

    def open(self, *kinds: Kind[Any]) -> None:
        """
        Say that everybody may see the full records of some kinds.

        What is neither open nor divided (see `Kind`) is for the private scope alone; no view may read it for others.
        """
        self.open_kinds |= {kind.name for kind in kinds}

    def fans_out(self, event: type[E]) -> Callable[[Callable[[E], FanOut | None]], Callable[[E], FanOut | None]]:
        """Have an event concern more documents than `touches` should name."""

        def register(fan_out: Callable[[E], FanOut | None]) -> Callable[[E], FanOut | None]:
            self._fan_outs[event] = fan_out
            return fan_out

        return register

    @property
    def follows(self) -> bool:
        """Whether what is fetched may lead to more."""
        return any(each.follows for each in self._reactions.values())

    def touched(self, recorded: RecordedEvent, fetched: Fetched) -> Touched:
        """
        Every document that `react` will touch, as far as can be known from what is fetched.

        :raises EventNotFoldable: that cannot be known at all.
        """
        event, reactions = recorded.event, self._to(recorded)
        try:
            saved = [key for touches in reactions.touches for key in touches(event, recorded)]
            if reactions.follows:
                saved += [key for follows in reactions.follows for key in follows(event, fetched)]
            return Touched(saved, self.read_only(recorded), self._versioned(recorded))
        except Exception as error:
            raise self.not_foldable(recorded, f"what it touches fails with {type(error).__name__}") from error

    def read_only(self, recorded: RecordedEvent) -> Sequence[Key]:
        """The documents that are only looked at."""
        return [key for reads in self._to(recorded).reads for key in reads(recorded.event, recorded)]

    def react(self, recorded: RecordedEvent, documents: Documents) -> None:
        """Fold one event into the documents; one that does not concern the projection is passed over."""
        for react in self._to(recorded).react:
            react(recorded.event, recorded, documents)
        if versions := self._versions_moved_by(recorded):
            id_ = str(recorded.aggregate_id)
            for version in versions:
                version.move(id_, recorded, documents)

    def fan_out(self, event: Event | UnknownEvent) -> FanOut | None:
        """Return the fan-out of an event that changes more documents than it touches; None for nearly all events."""
        fan_out = self._fan_outs.get(type(event))
        return fan_out(event) if fan_out else None

    def require_known(self, recorded: RecordedEvent) -> None:
        """:raises EventNotFoldable: its type is unknown."""
        if isinstance(event := recorded.event, UnknownEvent):
            raise self.not_foldable(recorded, f"{event.type!r} is unknown: {event.why}")

    def not_foldable(self, recorded: RecordedEvent, why: str) -> EventNotFoldable:
        return EventNotFoldable(
            f"projection {self.name} cannot fold the event at position {recorded.position}"
            f" ({recorded.aggregate} {recorded.aggregate_id}, version {recorded.version}): {why};"
            " deploy a projector that can"
        )

    def entries(self, key: Key, record: Any) -> Iterable[Entry]:
        """Return the index entries that lead to a record."""
        index = self._indexes.get(key.kind)
        return index.entries(key.id, record) if index else ()

    def index_row(self, key: Key, record: Any) -> IndexRow | None:
        """Return the index row of a record; None if it stands in no list of many orders."""
        index = self._indexes.get(key.kind)
        return index.row(record) if index and index.row else None

    def functions(self) -> Iterator[Callable[..., Any]]:
        """Everything that was registered."""
        for each in self._reactions.values():
            yield from chain(each.react, each.touches, each.reads, each.follows)
        yield from self._fan_outs.values()
        for index in self._indexes.values():
            yield from filter(None, (index.entries, index.row))

    def _to(self, recorded: RecordedEvent) -> _Reactions:
        event = recorded.event
        return self._reactions.get(event.was if isinstance(event, Redacted) else type(event), _NONE)

    def _versions_moved_by(self, recorded: RecordedEvent) -> Sequence[_Version]:
        return () if isinstance(recorded.event, Redacted) else self._versions.get(recorded.aggregate, ())

    def _versioned(self, recorded: RecordedEvent) -> Sequence[Key]:
        if not (versions := self._versions_moved_by(recorded)):
            return ()
        id_ = str(recorded.aggregate_id)
        return [version.kind.key(id_) for version in versions]
