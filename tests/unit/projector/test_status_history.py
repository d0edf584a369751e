"""The status is read once a second, for all who look on."""

import asyncio
from contextlib import asynccontextmanager
from datetime import timedelta
from time import monotonic

import pytest

from projector.adapters.memory.deliveries import MemoryGivenUpDeliveries
from projector.adapters.memory.timeline import MemoryTimelineStore
from projector.monitoring.answers import ProjectionStatus, Status
from projector.monitoring.limits import MonitoringLimits
from projector.monitoring.status_history import StatusHistory
from projector.monitoring.timeline import LastHour
from projector.parked.answers import ParkedReport
from projector.parked.events import Busy
from shared.errors import Unavailable
from tests.support.clock import SettableClock
from tests.support.histories import DAWN
from tests.support.patience import until_here


class Board:
    """Tells what it is given, and how often it was asked."""

    def __init__(self, clock):
        self.clock = clock
        self.asked = 0
        self.whole = []
        self.measured = []
        self.lag = 7

    async def read(self, *, whole):
        self.asked += 1
        self.whole.append(whole)
        self.clock.advance(timedelta(seconds=1))
        told = ProjectionStatus(
            name="profiles", version=1, state="running", error=None, events_per_second=2.5, lag_events=self.lag
        )
        return Status(projections=[told])

    def measure(self, status):
        self.measured.append(status)


class Parked:
    """Says what is parked, or why not."""

    error = None

    async def read(self):
        if self.error:
            raise self.error
        return ParkedReport(parked=(), skipped=())


def a_history(*, interval=0.0):
    clock = SettableClock(DAWN)
    board = Board(clock)
    limits = MonitoringLimits(interval=interval, longest_rest=3_600)
    hour = LastHour(MemoryTimelineStore())
    shown = {"parked": Parked(), "deliveries": MemoryGivenUpDeliveries(), "hour": hour}
    return StatusHistory(board, **shown, clock=clock, limits=limits), board


@asynccontextmanager
async def running(history, *observers):
    task = asyncio.create_task(history.run(*observers))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_everything_is_asked_once_however_many_observe_on():
    history, board = a_history(interval=60)

    async with running(history):
        snapshots = await asyncio.gather(*(history.after(None, patience=60) for _ in range(50)))

    assert len({id(snapshot) for snapshot in snapshots}) == 1
    assert board.whole == [False, True]


async def test_each_status_is_taken_note_of_and_measured():
    seen = []
    history, board = a_history(interval=60)

    async with running(history, seen.append):
        snapshot = await history.after(None, patience=60)

    assert snapshot.status == seen[-1]
    assert seen == board.measured


async def test_nothing_is_looked_up_that_nobody_looks_at():
    """The stall detector and who reads the gauges need neither sizes nor what is parked."""
    history, board = a_history()

    await history.refresh()

    assert board.whole == [False]
    assert history.latest == board.measured[0]
    assert await history.after(None, patience=0.001) is None


async def test_gauges_that_are_read_over_and_over_are_set_once_a_second():
    history, board = a_history(interval=60)

    await asyncio.gather(*(history.refresh() for _ in range(50)))

    assert board.asked == len(board.measured) == 1


async def test_who_begins_to_look_on_waits_for_no_rest():
    """A rest without anybody would take seconds."""
    history, board = a_history(interval=60)

    async with running(history):
        await until_here(lambda: board.asked)
        snapshot = await history.after(None, patience=60)

    assert snapshot.parked is not None


@pytest.mark.parametrize("error", [Unavailable("away"), Busy("busy"), TimeoutError()])
async def test_what_is_parked_is_seen_or_unknown(error):
    """Whatever keeps it from being seen, the next snapshot comes."""
    history, _ = a_history()

    async with running(history):
        seen = await history.after(None, patience=60)
        history._parked.error = error
        unknown = seen
        while unknown.parked:
            unknown = await history.after(unknown, patience=60)

    assert seen.parked == ParkedReport(parked=(), skipped=())
    assert unknown.parked is None


async def test_one_snapshot_follows_the_other():
    history, _ = a_history()

    async with running(history):
        first = await history.after(None, patience=60)
        second = await history.after(first, patience=60)

    assert second.at > first.at


async def test_what_was_under_way_already_is_not_what_is_seen_after(monkeypatch):
    """It may have read before what was done meanwhile."""
    history, board = a_history()
    gate, reading, read = asyncio.Event(), asyncio.Event(), board.read

    async def read_slowly(*, whole):
        status = await read(whole=whole)
        if whole:
            reading.set()
            await gate.wait()
        return status

    monkeypatch.setattr(board, "read", read_slowly)
    async with running(history):
        watching = asyncio.create_task(history.after(None, patience=60))
        await reading.wait()
        at = monotonic()
        waiting = asyncio.create_task(history.begun_after(at, patience=60))
        await asyncio.sleep(0)
        gate.set()
        snapshots = [await watching, await waiting]

    assert snapshots[-1].began >= at


async def test_a_snapshot_has_the_last_hour():
    """From the first one on."""
    history, board = a_history(interval=60)

    await history.refresh()

    assert history.timeline.projections["profiles"].lag_events == [7]
    assert history.timeline.at == [round(board.clock.now().timestamp() * 1_000)]


async def test_a_wait_in_vain_ends_without_a_snapshot():
    history, _ = a_history()

    assert await history.after(None, patience=0.001) is None


async def test_nobody_waits_once_it_has_ended():
    history, _ = a_history(interval=60)

    async with running(history):
        snapshot = await history.after(None, patience=60)
        waiting = asyncio.create_task(history.after(snapshot, patience=60))
        await asyncio.sleep(0)
        history.end()

        assert await waiting is None
        assert await history.after(None, patience=60) is None
