"""A rebuild makes way for readers and for what is new."""

import asyncio
from datetime import timedelta

import pytest

from projector.processing.limits import ThrottleLimits
from projector.processing.progress import GenerationRole, ProjectionProgress
from projector.rebuilding.throttle import Throttle

LIMITS = ThrottleLimits(lag=timedelta(seconds=1), answer=0.01, longest_rest=10.0)


@pytest.fixture
def rests(monkeypatch):
    """How long it rested each time, without the waiting."""
    rests = []

    async def sleep(seconds):
        rests.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    return rests


class Surroundings:
    def __init__(self, *, lag=0.0, answer=0.0):
        self.lag, self.answer = lag, answer

    async def measured(self):
        return self.answer

    def throttle(self):
        return Throttle(lag=lambda: timedelta(seconds=self.lag), answer=self.measured, limits=LIMITS)


async def test_nobody_suffers_and_nothing_is_lost(rests):
    throttle = Surroundings().throttle()

    for _ in range(3):
        await throttle.rest(0.05)

    assert rests == [0, 0, 0]


@pytest.mark.parametrize("what", ["lag", "answer"])
async def test_it_rests_the_longer_the_longer_readers_suffer(rests, what):
    """Up to a limit, so that it always goes on."""
    around = Surroundings(**{what: 2.0})
    throttle = around.throttle()

    for _ in range(6):
        await throttle.rest(0.1)
    setattr(around, what, 0.0)
    for _ in range(5):
        await throttle.rest(0.1)

    assert [round(each, 3) for each in rests] == [0.1, 0.3, 0.7, 1.0, 1.0, 1.0, 0.5, 0.2, 0.1, 0.0, 0.0]


@pytest.mark.parametrize("end", [ProjectionProgress.stop, ProjectionProgress.break_down])
async def test_what_stands_still_does_not_slow_down_what_is_to_replace_it(rests, end):
    """However far behind it was when it stopped."""
    live = ProjectionProgress("profiles", GenerationRole.LIVE, "g1")
    live.lag = timedelta(seconds=9)
    end(live, ValueError("damaged"))

    await Throttle(lag=lambda: live.lag, answer=Surroundings().measured, limits=LIMITS).rest(0.1)

    assert rests == [0]
