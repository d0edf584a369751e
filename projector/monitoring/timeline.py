"""The figures of the last hour, a point a minute; they outlive the process that has measured them."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from typing import NamedTuple, Protocol, TypeVar

import msgspec

from projector.monitoring.answers import ProjectionStatus, Status

N = TypeVar("N", int, float)

MINUTES = 60
"""That are remembered."""


class Figures(msgspec.Struct, frozen=True, array_like=True):
    """The figures of one projection; null where they are unknown."""

    checkpoint: int | None
    lag_events: int | None
    lag_seconds: float | None

    def then(self, later: "Figures") -> "Figures":
        """Return those of a longer time: the last checkpoint, and the most that it was behind."""
        return Figures(
            later.checkpoint,
            _most(self.lag_events, later.lag_events),
            _most(self.lag_seconds, later.lag_seconds),
        )


class Point(msgspec.Struct, frozen=True, array_like=True):
    """
    What was seen in a minute.

    :param at: when the last status of it was taken.
    """

    at: datetime
    head: int | None
    projections: Mapping[str, Figures]

    @property
    def minute(self) -> int:
        """Since 1970."""
        return int(self.at.timestamp()) // 60

    def then(self, later: "Point") -> "Point":
        """Return what was seen in both, which are of one minute."""
        figures = {name: each.then(later.projections.get(name, each)) for name, each in self.projections.items()}
        return Point(later.at, later.head, {**later.projections, **figures})


class Series(msgspec.Struct, frozen=True):
    """The figures of one projection, one for each point: the most that it was behind, and how fast it went."""

    lag_events: Sequence[int | None]
    lag_seconds: Sequence[float | None]
    events_per_second: Sequence[float | None]


class Timeline(msgspec.Struct, frozen=True):
    """The times of the points, in milliseconds since 1970; the figures of each projection, and what was appended."""

    at: Sequence[int] = ()
    projections: Mapping[str, Series] = {}
    appended_per_second: Sequence[float | None] = ()


class TimelineStore(Protocol):
    """Keeps points for all projectors, the last one of each minute of an hour. Every method raises `Unavailable`."""

    async def read(self) -> Sequence[Point]:
        """Return what is kept, in any order; some of it may be older than an hour."""

    async def keep(self, points: Sequence[Point]) -> None:
        """Keep each point in the place of the one of its minute, or of an hour before."""


class LastHour:
    """
    The points of the last hour.

    What comes is seen in `timeline` once it was kept: so a page is not sent its charts every second. The first figures
    are seen at once.
    """

    def __init__(self, store: TimelineStore) -> None:
        self.timeline = Timeline()
        self._store = store
        self._points: dict[int, Point] = {}
        self._origin: Point | None = None
        """The one before the first of the hour: from there on, it says how fast the projections went."""
        self._is_complete = False
        self._kept = 0
        """The last minute that was kept: it may not have been over."""

    def note(self, status: Status, at: datetime) -> None:
        """Take note of a status."""
        point = Point(at, status.head, {each.name: _figures(each) for each in status.projections})
        self._origin = self._origin or point
        self._add(point)
        if _is_blank(self.timeline):
            self._draw()

    async def keep(self) -> None:
        """
        Keep the present minute, and those that ended since; at first read what other processes have kept.

        :raises Unavailable: it was not kept, and is seen all the same.
        """
        try:
            if not self._is_complete:
                self._take(await self._store.read())
                self._is_complete = True
            await self._store.keep([each for minute, each in self._points.items() if minute >= self._kept])
            self._kept = max(self._points)
        finally:
            self._draw()

    def _draw(self) -> None:
        self.timeline = _timeline(self._origin, [self._points[minute] for minute in sorted(self._points)])

    def _take(self, kept: Iterable[Point]) -> None:
        own, self._points = self._points, {}
        for each in sorted([*kept, *own.values()], key=lambda point: point.at):
            self._add(each)

    def _add(self, point: Point) -> None:
        before = self._points.get(point.minute)
        self._points[point.minute] = before.then(point) if before else point
        for minute in sorted(self._points):
            if minute <= point.minute - MINUTES:
                self._origin = self._points.pop(minute)


class _Step(NamedTuple):
    """Two points, one after the other."""

    before: Point
    after: Point

    def rate(self, before: int | None, after: int | None) -> float | None:
        """Return by how much a position has grown a second; None where that is unknown."""
        seconds = (self.after.at - self.before.at).total_seconds()
        if before is None or after is None or seconds <= 0:
            return None
        return round(max(0, after - before) / seconds, 2)


def _timeline(origin: Point | None, points: Sequence[Point]) -> Timeline:
    steps = [_Step(*pair) for pair in pairwise([origin or points[0], *points])]
    return Timeline(
        [round(each.at.timestamp() * 1_000) for each in points],
        {name: _series(name, steps) for name in points[-1].projections},
        [each.rate(each.before.head, each.after.head) for each in steps],
    )


def _is_blank(timeline: Timeline) -> bool:
    """Tell whether something has no figure yet."""
    series = [each for of in timeline.projections.values() for each in (of.lag_seconds, of.events_per_second)]
    return any(set(each) <= {None} for each in (timeline.appended_per_second, *series))


def _series(name: str, steps: Sequence[_Step]) -> Series:
    pairs = [(each.before.projections.get(name, UNSEEN), each.after.projections.get(name, UNSEEN)) for each in steps]
    return Series(
        [after.lag_events for _, after in pairs],
        [after.lag_seconds for _, after in pairs],
        [step.rate(before.checkpoint, after.checkpoint) for step, (before, after) in zip(steps, pairs, strict=True)],
    )


def _figures(status: ProjectionStatus) -> Figures:
    return Figures(status.checkpoint, status.lag_events, status.lag_seconds)


def _most(one: N | None, other: N | None) -> N | None:
    return max((each for each in (one, other) if each is not None), default=None)


UNSEEN = Figures(None, None, None)
