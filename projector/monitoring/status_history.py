"""
Read the status once a second for all who want to see it, and remember the last hour.

While no page shows it, it is read every few seconds, and only so far as the stall detector needs it.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from time import monotonic
from typing import Protocol, TypeVar

from projector.monitoring.answers import Status
from projector.monitoring.deliveries import DeliveriesReport, GivenUpDeliveries
from projector.monitoring.limits import MonitoringLimits
from projector.monitoring.status import StatusBoard
from projector.monitoring.timeline import LastHour, Timeline
from projector.parked.answers import ParkedReport
from projector.parked.events import Busy, ParkedEvents
from shared.clock import Clock
from shared.errors import Unavailable, Unsound
from shared.runtime.retry import repeat

T = TypeVar("T")
R_co = TypeVar("R_co", covariant=True)


class ReportSource(Protocol[R_co]):
    """Something that a page shows beside the status."""

    async def read(self) -> R_co: ...


@dataclass(frozen=True, eq=False)
class StatusSnapshot:
    """The status at one time, and what is parked then."""

    at: datetime
    status: Status
    parked: ParkedReport | None = None
    """None where it is unknown."""
    deliveries: DeliveriesReport | None = None
    """Likewise."""
    timeline: Timeline = field(default_factory=Timeline)
    """Of the last hour."""
    began: float = float("-inf")
    """When it was begun to be taken, on the monotonic clock: what was done before that is seen."""


class StatusHistory:
    """Take one snapshot after the other; however many look on, everything is asked once."""

    def __init__(
        self,
        board: StatusBoard,
        *,
        parked: ParkedEvents,
        deliveries: GivenUpDeliveries,
        hour: LastHour,
        clock: Clock,
        limits: MonitoringLimits | None = None,
    ) -> None:
        self._board = board
        self._parked = parked
        self._deliveries = deliveries
        self._hour = hour
        self._clock = clock
        self._limits = limits or MonitoringLimits()
        self._observers: Sequence[Callable[[Status], None]] = ()
        self._latest: StatusSnapshot | None = None
        self._whole: StatusSnapshot | None = None
        """The latest one, if it was taken for those who look on."""
        self._taken = self._watched = self._kept = float("-inf")
        self._taking = asyncio.Lock()
        self._wanted = asyncio.Event()
        self._news = asyncio.Event()
        self.has_ended = False

    async def run(self, *observers: Callable[[Status], None]) -> None:
        """
        Take snapshots and measure, until cancelled.

        :param observers: take note of each status, or add to it.
        """
        self._observers = observers
        await repeat(self._turn)

    async def refresh(self) -> None:
        """Measure now, unless that was done a moment ago: gauges are about to be read."""
        async with self._taking:
            if monotonic() - self._taken >= self._limits.interval:
                await self._take(whole=self._is_watched())

    @property
    def latest(self) -> Status | None:
        """The last status; None before the first snapshot."""
        return self._latest.status if self._latest else None

    async def after(self, last: StatusSnapshot | None, *, patience: float) -> StatusSnapshot | None:
        """Wait for another snapshot than the last one; return None if none comes within so many seconds, or ever."""
        return await self._first(lambda snapshot: snapshot is not last, patience=patience)

    async def begun_after(self, at: float, *, patience: float) -> StatusSnapshot | None:
        """Wait likewise for one that was begun after a time on the monotonic clock."""
        return await self._first(lambda snapshot: snapshot.began >= at, patience=patience)

    async def _first(self, is_wanted: Callable[[StatusSnapshot], bool], *, patience: float) -> StatusSnapshot | None:
        self._watched = monotonic()
        self._wanted.set()
        while not self.has_ended and not (self._whole and is_wanted(self._whole)):
            try:
                async with asyncio.timeout(patience):
                    await self._news.wait()
            except TimeoutError:
                return None
        return None if self.has_ended else self._whole

    @property
    def timeline(self) -> Timeline:
        """The figures of the last hour."""
        return self._hour.timeline

    def end(self) -> None:
        """Let all who wait go on."""
        self.has_ended = True
        self._wake()

    async def _turn(self) -> None:
        began, is_watched = monotonic(), self._is_watched()
        self._wanted.clear()
        async with self._taking:
            await self._take(whole=is_watched)
        if is_watched:
            await asyncio.sleep(self._rest(monotonic() - began))
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(self._limits.longest_rest):
                await self._wanted.wait()

    def _is_watched(self) -> bool:
        return monotonic() - self._watched < self._limits.watched

    def _rest(self, took: float) -> float:
        limits = self._limits
        return max(limits.interval - took, min(limits.leisure * took, limits.longest_rest))

    async def _take(self, *, whole: bool) -> None:
        began = monotonic()
        status = await self._board.read(whole=whole)
        for observe in (*self._observers, self._board.measure):
            observe(status)
        parked = deliveries = None
        if whole:
            parked, deliveries = await asyncio.gather(self._known(self._parked), self._known(self._deliveries))
        now = self._clock.now()
        self._hour.note(status, now)
        await self._keep()
        self._show(StatusSnapshot(now, status, parked, deliveries, self.timeline, began), whole=whole)
        self._taken = monotonic()

    async def _keep(self) -> None:
        if monotonic() - self._kept < self._limits.kept:
            return
        self._kept = monotonic()
        with suppress(Unavailable, TimeoutError):  # the status says so
            async with asyncio.timeout(self._limits.patience):
                await self._hour.keep()

    async def _known(self, source: ReportSource[T]) -> T | None:
        try:
            async with asyncio.timeout(self._limits.patience):
                return await source.read()
        except (Unavailable, Unsound, Busy, TimeoutError):
            return None  # the status says why

    def _show(self, snapshot: StatusSnapshot, *, whole: bool) -> None:
        self._latest, self._whole = snapshot, snapshot if whole else None
        self._wake()

    def _wake(self) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()
