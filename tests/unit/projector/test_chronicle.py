"""What is seen once a second, for all who look on."""

import asyncio
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from projector.monitoring.status import ProjectionStatus, Status
from projector.monitoring.status_history import REMEMBERED, StatusHistory
from projector.processing.parked_events import Busy, WhatIsParked
from shared.errors import Unavailable
from tests.support.clock import SettableClock
from tests.support.histories import DAWN


class Board:
    """Tells what it is given, and how often it was asked."""

    def __init__(self, clock):
        self.clock = clock
        self.asked = 0
        self.measured = []
        self.lag = 7

    async def read(self):
        self.asked += 1
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
        return WhatIsParked(parked=(), skipped=())


def chronicle(*, interval=0.0):
    clock = SettableClock(DAWN)
    board = Board(clock)
    return StatusHistory(board, parked=Parked(), clock=clock, interval=interval), board


@asynccontextmanager
async def running(chronicle, *looks):
    task = asyncio.create_task(chronicle.run(*looks))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_everything_is_asked_once_however_many_look_on():
    watched, board = chronicle(interval=60)

    async with running(watched):
        moments = await asyncio.gather(*(watched.after(None, patience=60) for _ in range(50)))

    assert len({id(moment) for moment in moments}) == 1
    assert board.asked == 1


async def test_each_status_is_taken_note_of_and_measured():
    seen = []
    watched, board = chronicle(interval=60)

    async with running(watched, seen.append):
        moment = await watched.after(None, patience=60)

    assert [moment.status] == seen == board.measured


@pytest.mark.parametrize("error", [Unavailable("away"), Busy("busy"), TimeoutError()])
async def test_what_is_parked_is_seen_or_unknown(error):
    """Whatever keeps it from being seen, the next look comes."""
    watched, _ = chronicle()

    async with running(watched):
        seen = await watched.after(None, patience=60)
        watched._parked.error = error
        unknown = seen
        while unknown.parked:
            unknown = await watched.after(unknown, patience=60)

    assert seen.parked == WhatIsParked(parked=(), skipped=())
    assert unknown.parked is None


async def test_one_moment_follows_the_other():
    watched, _ = chronicle()

    async with running(watched):
        first = await watched.after(None, patience=60)
        second = await watched.after(first, patience=60)

    assert second.at > first.at


async def test_the_history_tells_what_was_seen_and_when():
    """Null where it could not be found out."""
    watched, board = chronicle()

    async with running(watched):
        first = await watched.after(None, patience=60)
        board.lag = None
        while board.asked < 3:
            first = await watched.after(first, patience=60)
    told = watched.history()

    at = [round((DAWN + timedelta(seconds=second)).timestamp() * 1_000) for second in range(1, board.asked + 1)]
    series = told.projections["profiles"]
    assert told.at == at[: len(told.at)]
    assert series.lag_events[0] == 7
    assert series.lag_events[-1] is None
    assert set(series.events_per_second) == {2.5}


async def test_the_history_goes_back_ten_minutes():
    watched, board = chronicle()

    async with running(watched):
        moment = None
        while board.asked < REMEMBERED + 10:
            moment = await watched.after(moment, patience=60)

    assert len(watched.history().at) == REMEMBERED == 600


async def test_who_waits_in_vain_is_told_so():
    watched, _ = chronicle()

    assert await watched.after(None, patience=0.001) is None


async def test_nobody_waits_once_it_has_ended():
    watched, _ = chronicle(interval=60)

    async with running(watched):
        moment = await watched.after(None, patience=60)
        waiting = asyncio.create_task(watched.after(moment, patience=60))
        await asyncio.sleep(0)
        watched.end()

        assert await waiting is None
        assert await watched.after(None, patience=60) is None
