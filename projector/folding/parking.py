"""
What a generation could not fold yet: events that wait, and the documents they wait for.

An event that cannot be folded is parked with the documents it would write; events that write one of them later wait
behind it. Each is folded into all its documents or into none.
"""

from bisect import insort
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TypeAlias
from uuid import UUID

import msgspec

from projector.declaring.documents import Key
from projector.folding.grouping import grouped


class Failure(msgspec.Struct, frozen=True):
    """The class of an error, never its text, which may quote people's data; and the code that met it."""

    error: str
    code: str


class Skip(msgspec.Struct, frozen=True, kw_only=True):
    """An operator has decided that an event shall have no effect."""

    reason: str
    by: str
    at: datetime


class Parked(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """
    An event that waits.

    :param since: when the event occurred.
    :param documents: those it would write.
    :param failure: why it could not be folded; None if it waits behind another.
    :param is_fan_out: the event itself was folded, and this one document was not revised by its fan-out.
    :param skip: it is to be dropped the next time that what waits is looked through.
    """

    position: int
    since: datetime
    documents: tuple[Key, ...]
    failure: Failure | None = None
    is_fan_out: bool = msgspec.field(default=False, name="is_swept")
    skip: Skip | None = None

    def is_to_be_tried(self, code: str) -> bool:
        """Whether this code has not failed on it yet."""
        return self.failure is None or self.failure.code != code


class Skipped(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An event that has had no effect on some documents and will have none, and who decided so."""

    position: int
    documents: tuple[Key, ...]
    skip: Skip
    error: str | None = None
    is_fan_out: bool = msgspec.field(default=False, name="is_swept")


def skipped(parked: Parked, skip: Skip) -> Skipped:
    """Return the record of an event that waited and is dropped."""
    return Skipped(
        position=parked.position,
        documents=parked.documents,
        skip=skip,
        error=parked.failure.error if parked.failure else None,
        is_fan_out=parked.is_fan_out,
    )


class Parking(msgspec.Struct, frozen=True, omit_defaults=True):
    """All that is parked in a generation, in the order of the log, and all that was skipped."""

    events: tuple[Parked, ...] = ()
    skipped: tuple[Skipped, ...] = ()

    def documents(self) -> dict[Key, list[Parked]]:
        """Each document that is behind, and the events that wait for it, in their order."""
        return grouped((key, each) for each in self.events for key in each.documents)

    def concerned(self) -> set[Key]:
        """Every document that an event waits for or was skipped for: it does not reflect the whole log."""
        left_out: Sequence[Parked | Skipped] = (*self.events, *self.skipped)
        return {key for each in left_out for key in each.documents}

    def skips(self) -> tuple[Skipped, ...]:
        """All events without effect because an operator decided so, those included that are still to be dropped."""
        return (*self.skipped, *(skipped(each, each.skip) for each in self.events if each.skip))

    def due(self, code: str) -> list[Parked]:
        """
        Return the events to be tried by some code, in order: nothing that it has failed on, nor what waits behind that.

        What is to be skipped waits for nothing.
        """
        due, blocked = [], set[Key]()
        for each in self.events:
            if each.skip or (each.is_to_be_tried(code) and blocked.isdisjoint(each.documents)):
                due.append(each)
            else:
                blocked.update(each.documents)
        return due

    def joined(self, other: "Parking") -> "Parking":
        """
        Return what is parked in either of two ranges of a generation.

        Each has begun with all that was skipped; what one of them has dropped of it since is dropped.
        """
        events = {_name(each): each for each in (*self.events, *other.events)}
        in_order = sorted(events.values(), key=lambda each: (each.position, each.documents))
        return Parking(tuple(in_order), tuple(each for each in self.skipped if each in other.skipped))

    def to_be_retried(self, id: str) -> "Parking":
        """The same, where nothing that keeps the documents with an id waiting counts as tried."""
        tied = self._tied_to(id)
        return msgspec.structs.replace(self, events=tuple(_untried(each, tied) for each in self.events))

    def waiting_for(self, id: str) -> list[Parked]:
        """The events that wait for a document with an id, in order."""
        return [each for each in self.events if any(key.id == id for key in each.documents)]

    def to_be_skipped(self, id: str, skip: Skip) -> "Parking":
        """The same, with the first event that waits for a document with an id to be dropped."""
        first = self.waiting_for(id)[0]
        events = tuple(msgspec.structs.replace(each, skip=skip) if each is first else each for each in self.events)
        return msgspec.structs.replace(self, events=events)

    def _tied_to(self, id: str) -> set[Key]:
        """The documents with an id, those that share an event with one of them, and so on."""
        tied = {key for each in self.events for key in each.documents if key.id == id}
        size = 0
        while len(tied) > size:
            size = len(tied)
            tied |= {key for each in self.events if not tied.isdisjoint(each.documents) for key in each.documents}
        return tied


NOTHING = Parking()

Name: TypeAlias = tuple[int, Key | None]
"""What identifies one that waits: the event, and the document that its fan-out passed by."""


class ParkedQueue:
    """The parked queue of a generation, while a batch is folded."""

    def __init__(self, parking: Parking, *, code: str) -> None:
        """:param code: which code folds; it is kept with each failure."""
        self._events: dict[Name, Parked] = {}
        self._queues: dict[Key, list[tuple[int, datetime]]] = {}
        self._skipped = list(parking.skipped)
        self._passed_over = {_name(each) for each in parking.skipped}
        self._code = code
        for each in parking.events:
            self._add(each)
        self.changed = False
        self.failed = 0
        """How many events failed that had not failed before."""

    def copy(self) -> "ParkedQueue":
        """Return a queue of the same that changes by itself."""
        queue = ParkedQueue(self.parking(), code=self._code)
        queue.changed, queue.failed = self.changed, self.failed
        return queue

    def __bool__(self) -> bool:
        return bool(self._events or self._skipped)

    def __len__(self) -> int:
        return len(self._events)

    def is_parked(self, key: Key) -> bool:
        return key in self._queues

    def waits(self, key: Key, *, before: int) -> bool:
        """Whether an event before a position waits for a document."""
        queue = self._queues.get(key)
        return queue is not None and queue[0][0] < before

    def mark(self, key: Key) -> str | None:
        """Return the time of the first event that waits for a document, in the form of records; None if none does."""
        queue = self._queues.get(key)
        return _moment(queue[0][1]) if queue else None

    def is_skipped(self, position: int, document: Key | None = None) -> bool:
        """Whether an operator has decided that an event, or one part of its fan-out, shall have no effect."""
        return (position, document) in self._passed_over

    def leaves_out(self, position: int, document: Key | None = None) -> bool:
        """Whether an event, or one part of its fan-out, has had no effect: not yet, or it never will."""
        return (position, document) in self._events or (position, document) in self._passed_over

    def left_out(self, *, until: int) -> set[int]:
        """The positions of the events up to one that have had no effect on any document."""
        names = (*self._events, *self._passed_over)
        return {position for position, document in names if document is None and position <= until}

    def wait(self, parked: Parked) -> None:
        """Have an event wait behind others, unless it does so already."""
        if _name(parked) not in self._events:
            self._add(parked)

    def fail(self, parked: Parked, error: Exception, *, again: bool = False) -> None:
        """
        Park an event that cannot be folded.

        :param again: it was parked before.
        """
        failure = Failure(type(error).__name__, self._code)
        self._add(msgspec.structs.replace(parked, failure=failure))
        self.failed += not again

    def release(self, parked: Parked) -> None:
        """Take an event out, to try it; it is parked anew if it fails."""
        taken = self._events.pop(_name(parked))
        for key in taken.documents:
            self._queues[key].remove((taken.position, taken.since))
            if not self._queues[key]:
                del self._queues[key]
        self.changed = True

    def skip(self, parked: Parked, skip: Skip) -> None:
        """Take an event out for ever, and keep why."""
        self.release(parked)
        self._skipped.append(skipped(parked, skip))

    def let_go_of(self, id: UUID, *, try_others: bool) -> None:
        """
        Have nothing wait for a document that names an account which is erased, nor be kept of what was skipped for it.

        :param try_others: have all else looked at once more: an event of the erased may have nothing left now.
        """
        for each in [*self._events.values()]:
            self.release(each)
            if left := _unnamed(each.documents, id):
                rest = msgspec.structs.replace(each, documents=left)
                self._add(_untried(rest, {*left}) if try_others else rest)
        for one in [each for each in self._skipped if _unnamed(each.documents, id) != each.documents]:
            self._skipped.remove(one)
            if left := _unnamed(one.documents, id):
                self._skipped.append(msgspec.structs.replace(one, documents=left))
            self.changed = True
        self._passed_over = {_name(each) for each in self._skipped}

    def parking(self) -> Parking:
        """Return the events that are parked now."""
        in_order = sorted(self._events.values(), key=lambda each: (each.position, each.documents))
        return Parking(tuple(in_order), tuple(self._skipped))

    def _add(self, parked: Parked) -> None:
        self._events[_name(parked)] = parked
        for key in parked.documents:
            insort(self._queues.setdefault(key, []), (parked.position, parked.since))
        self.changed = True


def _unnamed(documents: Sequence[Key], id: UUID) -> tuple[Key, ...]:
    """Those of which no part of the id is this one."""
    return tuple(key for key in documents if str(id) not in key.id)


def _moment(at: datetime) -> str:
    return msgspec.json.encode(at.astimezone(UTC)).decode().strip('"')


def _name(each: Parked | Skipped) -> Name:
    return each.position, each.documents[0] if each.is_fan_out else None


def _untried(each: Parked, tied: set[Key]) -> Parked:
    if each.failure is None or tied.isdisjoint(each.documents):
        return each
    return msgspec.structs.replace(each, failure=Failure(each.failure.error, ""))
