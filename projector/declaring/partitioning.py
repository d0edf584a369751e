"""A projection divided into partitions: which documents lie in which, and which events concern which."""

from collections.abc import Callable, Collection, Sequence
from copy import copy
from dataclasses import replace
from functools import partial
from typing import NamedTuple, Self, TypeAlias

from projector.declaring.documents import Key
from projector.declaring.errors import EventNotFoldable
from projector.declaring.plan import Plan, Touched
from projector.declaring.projection import Holds, Projection
from shared.event_log import RecordedEvent
from shared.events import Redacted
from shared.read_model.partitions import Partitions

Route: TypeAlias = Callable[[RecordedEvent], Collection[int]]
"""Which partitions an event concerns."""
RouteToLabels: TypeAlias = Callable[[RecordedEvent], Collection[str]]
"""The labels of the parts of projections that an event concerns."""


class Divided(NamedTuple):
    """A projection in all partitions: its part in each, and which of them an event concerns."""

    parts: Sequence[Projection]
    route: Route

    @classmethod
    def of(cls, parts: Sequence[Projection], route: Route) -> Self:
        """Have each part know its number, and which events concern it."""
        asked = _AskedOnce(route)
        for nth, part in enumerate(parts):
            part.label = f"{part.name}.{nth}"
            part.concerns = partial(_concerns, asked, nth)
        return cls(parts, route)


def whole_of(label: str) -> str:
    """Return the name of all parts of which something is one, see `Projection.whole`."""
    part, at, count = label.partition("@")
    return part.partition(".")[0] + at + count


def beside(projection: Projection, partitions: Partitions) -> Projection:
    """Have operators call it, and all of which it is a part, by the number of partitions too."""
    other = copy(projection)
    other.label, other.whole = (f"{each}@{partitions.count}" for each in (projection.label, projection.whole))
    return other


def divided(whole: Projection, partitions: Partitions) -> Divided:
    """
    Divide a projection by its documents.

    Each part has the reactions of the whole; what they save of documents that lie elsewhere is passed over. It has no
    unique entries of documents that are divided: another document may take one in another partition.
    """
    router = _Router(whole, partitions)
    parts = [_part(whole, partial(router.holds, nth)) for nth in range(partitions.count)]
    return Divided.of(parts, router.route)


class _AskedOnce:
    """A route that is asked by one part after the other which of them an event concerns."""

    def __init__(self, route: Route) -> None:
        self._route = route
        self._last: RecordedEvent | None = None
        self._found: Collection[int] = ()

    def __call__(self, recorded: RecordedEvent) -> Collection[int]:
        if recorded is not self._last:
            self._last, self._found = recorded, self._route(recorded)
        return self._found


class _Router:
    def __init__(self, projection: Projection, partitions: Partitions) -> None:
        self._projection = projection
        self._of = partitions.of
        self._all = range(partitions.count)
        self._partitioned_by = {kind.name: kind.partitioned_by for kind in projection.kinds}

    def holds(self, nth: int, key: Key) -> bool:
        by = self._partitioned_by[key.kind]
        return by is None or self._of(by(key.id)) == nth

    def route(self, recorded: RecordedEvent) -> Collection[int]:
        """
        Return the partitions of all that an event may change; all, if it is followed through lists or not known.

        What was redacted goes to all too: it may be parked in any, and says no more in which.
        """
        if not self._projection.is_plain(recorded.event) or isinstance(recorded.event, Redacted):
            return self._all
        try:
            saved, _, versioned = self._projection.plan.touched(recorded)
        except EventNotFoldable:
            return self._all
        found = set[int]()
        for kind, id_ in (*saved, *versioned):
            if (by := self._partitioned_by[kind]) is None:
                return self._all
            found.add(self._of(by(id_)))
        return found


class _PlanOfPart(Plan):
    """What events touch in one partition."""

    def __init__(self, whole: Plan, holds: Holds) -> None:
        self.__dict__ |= whole.__dict__
        self._holds = holds

    def touched(self, recorded: RecordedEvent) -> Touched:
        return Touched(*(list(filter(self._holds, keys)) for keys in super().touched(recorded)))


def _part(whole: Projection, holds: Holds) -> Projection:
    part = copy(whole)
    part.holds = holds
    part.plan = _PlanOfPart(whole.plan, holds)
    divided = {kind.name for kind in whole.kinds if kind.partitioned_by}
    part.index_of = {
        kind: replace(index, unique=[]) if kind in divided else index for kind, index in whole.index_of.items()
    }
    left = {each.by for index in part.index_of.values() for each in index.unique}
    part.indexes = tuple(by for by in whole.indexes if by in left or not by.startswith("by-"))
    return part


def _concerns(route: Route, nth: int, recorded: RecordedEvent) -> bool:
    return nth in route(recorded)
