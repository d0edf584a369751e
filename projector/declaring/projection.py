"""What a projection is: a table of reactions to events, and of where its records are found."""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import chain
from typing import Any, NamedTuple, TypeAlias, TypeVar

import msgspec
from msgspec import UNSET

from projector.declaring.documents import Documents, Key, Kind, Record
from projector.declaring.errors import EventNotFoldable
from projector.declaring.fan_out import FanOut
from projector.declaring.index_entries import Entry
from projector.declaring.plan import Plan, Touches
from projector.declaring.retention import Retention
from shared.event_log import RecordedEvent, UnknownEvent
from shared.event_log.ranges import RangedBy
from shared.events import Event, Redacted, type_of
from shared.read_model.ordering import IndexRow

E = TypeVar("E", bound=Event)

React: TypeAlias = Callable[[E, RecordedEvent, Documents], None]
"""What a projection makes of an event. Whatever it raises parks the event: nothing that it saved is kept."""

Holds: TypeAlias = Callable[[Key], bool]
"""Whether a document is kept here, and not in another partition."""

Registering: TypeAlias = Callable[[React[E]], React[E]]


def _all(_: Key) -> bool:
    return True


def timestamp_of(recorded: RecordedEvent) -> datetime:
    """Return the time of an event in UTC: a record's bytes must not depend on the database's time zone."""
    at = recorded.occurred_at
    return at if at.tzinfo is UTC else at.astimezone(UTC)


def given(event: Event, *fields: str) -> dict[str, Any]:
    """Those of some fields that an event says something of."""
    return {name: value for name in fields if (value := getattr(event, name)) is not UNSET}


class _Version(NamedTuple):
    kind: Kind[Any]
    field: str
    touches_updated_at: bool


class UniqueField(NamedTuple):
    """A field of a record by which it is found: by what, the field, and the form in which two values are compared."""

    by: str
    field: str
    form: Callable[[str], str]


@dataclass(slots=True)
class RecordIndex:
    """Where the records of a kind are found."""

    unique: list[UniqueField] = field(default_factory=list)
    entries: Callable[[str, Any], Sequence[Entry]] | None = None
    row: Callable[[Any], IndexRow] | None = None


class Projection:
    """
    A read model: pure functions that the engine fetches documents for, and stores what they make of them.

    :param name: in keys and for operators.
    :param version: raised with every change that makes older documents wrong; a generation is fed by its own version
        only.
    :param rekeyed: the version since which documents have the keys that they have now: what an older generation has
        under others is not missed in a newer one.
    :param documents: every kind that it keeps. A commit writes them in this order. After a crash in its middle,
        documents of the first kinds may be ahead of those of the last: what is counted comes before what its
        counting depends on.
    :param waits_to_read: whether an event waits for the parked ones of what it reads as well, so that this is no state
        of earlier.
    :param parks: whether an event that cannot be folded is put aside; else it stops the projection.
    :param retention: what it keeps no longer, if it does not keep all.
    """

    def __init__(
        self,
        name: str,
        *,
        version: int,
        rekeyed: int = 1,
        documents: Sequence[Kind[Any]],
        waits_to_read: bool = False,
        parks: bool = True,
        retention: Retention | None = None,
    ) -> None:
        self.name = name
        self.label = self.whole = name
        """How operators call it, and all parts of which it is one."""
        self.holds: Holds = _all
        self.concerns: Callable[[RecordedEvent], bool] | None = None
        """Which events it is fed with, if not with all."""
        self.version = version
        self.rekeyed = rekeyed
        self.kinds = documents
        self.waits_to_read = waits_to_read
        self.parks = parks
        self.retention = retention
        self.indexes: tuple[str, ...] = ()
        """What its index entries are by; unique entries begin with `by-`."""
        self.plan = Plan(name)
        self._reactions: dict[type | str, list[React[Any]]] = {}
        """By type of event; to what was redacted, by the name of what it was."""
        self._versions: dict[str, list[_Version]] = {}
        self._fan_outs: dict[type, Callable[[Any], FanOut | None]] = {}
        self.index_of: dict[str, RecordIndex] = {}
        """By the name of a kind."""
        self.open_kinds: frozenset[str] = frozenset()
        self.prefixes: dict[str, Callable[[str, Any], Iterable[bytes]]] = {}
        """Of the fan-outs that concern a document, by its kind."""
        self.ranged_by: RangedBy = {}

    def on(
        self,
        event: type[E],
        *,
        touches: Touches[E] | Sequence[Touches[E]],
        reads: Touches[E] | None = None,
    ) -> Registering[E]:
        """
        React to an event; several reactions to one are called in the order in which they stand.

        :param touches: what it saves. It alone is fetched, with what it reads and what its aggregate's version is in.
        :param reads: what it only looks at. If what it saves is parked, so is the event; what it reads may be a state
            of earlier, because events of that document are parked, or of later, because the event was parked itself.
        """
        return self._registering(event, touches, reads)

    def on_redacted(
        self,
        event: type[Event],
        *,
        touches: Touches[Redacted] | Sequence[Touches[Redacted]],
        reads: Touches[Redacted] | None = None,
    ) -> Registering[Redacted]:
        """React to what is left of an event whose person was erased: it is still counted."""
        return self._registering(type_of(event), touches, reads)

    def versioned(self, kind: Kind[Any], *, by: str, field: str, touches_updated_at: bool = False) -> None:
        """
        Have every event of an aggregate, whether there is a reaction to it or not, move the version of its record.

        Otherwise a new event would have readers served a version that `If-Match` refuses. Only a record that is there
        is moved, and never by what was redacted.
        """
        self._versions.setdefault(by, []).append(_Version(kind, field, touches_updated_at))
        self.plan.add_version(kind.name, by=by)

    def indexed(
        self,
        kind: Kind[Record],
        entries: Callable[[str, Record], Sequence[Entry]],
        *,
        by: Collection[str],
    ) -> None:
        """
        Say where records are to be found; the engine stores the difference to where they were.

        :param entries: of the record with an id, each by one of `by`; of few entries, as they are compared one by one.
        """
        self.indexes = (*self.indexes, *by)
        self.index_of.setdefault(kind.name, RecordIndex()).entries = entries

    def unique(self, kind: Kind[Any], by: str, *, of: str, form: Callable[[str], str]) -> None:
        """
        Say that a record is found by one of its fields, which no two share; one of None leads nowhere.

        :param form: makes of a value the form in which two are compared.
        """
        self.indexes = (*self.indexes, by)
        self.index_of.setdefault(kind.name, RecordIndex()).unique.append(UniqueField(by, of, form))

    def listed(self, kind: Kind[Record], row: Callable[[Record], IndexRow]) -> None:
        """Say what of a record decides in which lists of many orders it stands; the engine keeps those lists."""
        self.index_of.setdefault(kind.name, RecordIndex()).row = row

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

    def ranged(self, **by: str) -> None:
        """
        Say that a replay may fold the events of some ids after those of others, so that it need not keep all records.

        All that an event saves or reads has the id by which it is folded, or begins with it, or is made by events alone
        that are folded in every range. An erasure is, and may find nothing there.

        :param by: for each aggregate, see `RangedBy`.
        """
        self.ranged_by = by

    def concerned(self, kind: Kind[Record], prefixes: Callable[[str, Record], Iterable[bytes]]) -> None:
        """
        Say by which prefixes of fan-outs a document of a kind is found, without making its entries.

        Where nothing is said, a replay offers each fan-out to all documents of its kind.
        """
        self.prefixes[kind.name] = prefixes

    def is_trimmed(self, key: Key, *, at: int) -> bool:
        """Whether nothing of a document is kept where it is trimmed up to a position: it may be there or not."""
        return self.retention is not None and self.retention.is_trimmed(key, at=at)

    def react(self, recorded: RecordedEvent, documents: Documents) -> None:
        """Fold one event into the documents; one that does not concern the projection is passed over."""
        event = recorded.event
        for react in self._reactions.get(event.was if isinstance(event, Redacted) else type(event), ()):
            react(event, recorded, documents)
        if isinstance(event, Redacted):
            return
        for kind, version, touches_updated_at in self._versions.get(recorded.aggregate, ()):
            record = documents.find(kind, recorded.aggregate_id)
            if record is None or getattr(record, version) == recorded.version:  # not there, or just made
                continue
            change: dict[str, Any] = {version: recorded.version}
            if touches_updated_at:
                change["updated_at"] = timestamp_of(recorded)
            documents.save(kind, recorded.aggregate_id, msgspec.structs.replace(record, **change))

    def fan_out(self, event: Event | UnknownEvent) -> FanOut | None:
        """Return the fan-out of an event that changes more documents than it touches; None for nearly all events."""
        fan_out = self._fan_outs.get(type(event))
        return fan_out(event) if fan_out else None

    def is_plain(self, event: Event | UnknownEvent) -> bool:
        """Whether an event is known, and changes no more documents than it touches."""
        return (kind := type(event)) is not UnknownEvent and kind not in self._fan_outs

    def require_known(self, recorded: RecordedEvent) -> None:
        """:raises EventNotFoldable: its type is unknown."""
        if isinstance(event := recorded.event, UnknownEvent):
            raise self.not_foldable(recorded, f"{event.type!r} is unknown: {event.why}")

    def not_foldable(self, recorded: RecordedEvent, why: str) -> EventNotFoldable:
        return EventNotFoldable.of(self.name, recorded, why)

    def functions(self) -> Iterator[Callable[..., Any]]:
        """Everything that was registered."""
        yield from chain(*self._reactions.values(), self.plan.functions(), self._fan_outs.values())
        for index in self.index_of.values():
            yield from filter(None, (index.entries, index.row))

    def _registering(
        self,
        event: type | str,
        touches: Touches[E] | Sequence[Touches[E]],
        reads: Touches[E] | None,
    ) -> Registering[E]:
        def register(react: React[E]) -> React[E]:
            self._reactions.setdefault(event, []).append(react)
            saved = [touches] if callable(touches) else touches
            self.plan.add(event, saved=saved, read=[reads] if reads else ())
            return react

        return register
