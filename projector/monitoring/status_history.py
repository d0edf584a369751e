"""Looks at everything once a second for all who want to see it, and remembers the last minutes."""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from time import perf_counter
from typing import NamedTuple

import msgspec

from projector.monitoring.status import PATIENCE_SECONDS, ProjectionStatus, Status, StatusBoard
from projector.processing.parked_events import Busy, ParkedEvents, WhatIsParked
from shared.clock import Clock
from shared.errors import Unavailable, Unsound
from shared.runtime.cancellation import is_cancelled

INTERVAL_SECONDS = 1.0
REMEMBERED = 600
"""Samples: ten minutes of them."""
LEISURE = 4
"""Rest, as a multiple of the time that a look takes: where there is very much to count, it must not matter."""
LONGEST_REST_SECONDS = 5.0
"""Whoever waits for somebody to look at the projections has no more patience than for three of them."""


@dataclass(frozen=True, eq=False)
class Moment:
    """What was seen at one time."""

    at: datetime
    status: Status
    parked: WhatIsParked | None = None
    """None where it could not be found out."""


class Figures(NamedTuple):
    """What is drawn of one projection."""

    lag_events: int | None
    lag_seconds: float | None
    events_per_second: float


class Sample(NamedTuple):
    at: datetime
    projections: Mapping[str, Figures]


class Series(msgspec.Struct, frozen=True):
    """The figures of one projection, one for each moment; null where it could not be found out."""

    lag_events: Sequence[int | None]
    lag_seconds: Sequence[float | None]
    events_per_second: Sequence[float]


class History(msgspec.Struct, frozen=True):
    """The moments of the last minutes, in milliseconds since 1970, and what was seen in each."""

    at: Sequence[int]
    projections: Mapping[str, Series]


class Chronicle:
    """Shows one moment after the other; however many look on, everything is asked once."""

    def __init__(
        self, board: StatusBoard, *, parked: ParkedEvents, clock: Clock, interval: float = INTERVAL_SECONDS
    ) -> None:
        """:param interval: seconds from one look to the next."""
        self._board = board
        self._parked = parked
        self._clock = clock
        self._interval = interval
        self._samples: deque[Sample] = deque(maxlen=REMEMBERED)
        self._latest: Moment | None = None
        self._news = asyncio.Event()
        self.has_ended = False

    async def run(self, *looks: Callable[[Status], None]) -> None:
        """
        Look, measure and show, until cancelled.

        :param looks: what takes note of each status, or adds to it.
        """
        while not is_cancelled():
            began = perf_counter()
            status = await self._board.read()
            for look in (*looks, self._board.measure):
                look(status)
            self._show(Moment(self._clock.now(), status, await self._what_is_parked()))
            took = perf_counter() - began
            await asyncio.sleep(max(self._interval - took, min(LEISURE * took, LONGEST_REST_SECONDS)))

    @property
    def latest(self) -> Status | None:
        """What was seen last; None before the first look."""
        return self._latest.status if self._latest else None

    async def after(self, seen: Moment | None, *, patience: float) -> Moment | None:
        """Wait for another moment than the one that was seen; None if none comes within so many seconds, or ever."""
        while self._latest in {None, seen} and not self.has_ended:
            try:
                async with asyncio.timeout(patience):
                    await self._news.wait()
            except TimeoutError:
                return None
        return None if self.has_ended else self._latest

    def history(self) -> History:
        """What is remembered."""
        names = self._samples[-1].projections if self._samples else ()
        return History(
            [round(sample.at.timestamp() * 1_000) for sample in self._samples],
            {name: _series([sample.projections[name] for sample in self._samples]) for name in names},
        )

    def end(self) -> None:
        """Let nobody wait any longer."""
        self.has_ended = True
        self._tell()

    async def _what_is_parked(self) -> WhatIsParked | None:
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                return await self._parked.read()
        except (Unavailable, Unsound, Busy, TimeoutError):
            return None  # the status says why

    def _show(self, moment: Moment) -> None:
        figures = {each.name: _figures(each) for each in moment.status.projections}
        self._samples.append(Sample(moment.at, figures))
        self._latest = moment
        self._tell()

    def _tell(self) -> None:
        told, self._news = self._news, asyncio.Event()
        told.set()


def _figures(told: ProjectionStatus) -> Figures:
    return Figures(told.lag_events, told.lag_seconds, told.events_per_second)


def _series(figures: Sequence[Figures]) -> Series:
    return Series(*map(list, zip(*figures, strict=True)))
