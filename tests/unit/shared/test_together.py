"""Work that is done once for all who want it at the same time."""

import asyncio

import pytest

from shared.errors import Unavailable
from shared.together import Together


class Work:
    """Ends, well or not, when it is told to."""

    def __init__(self):
        self.turns, self.trouble, self.may_end = 0, None, asyncio.Event()

    async def __call__(self):
        self.turns += 1
        await self.may_end.wait()
        if self.trouble:
            raise self.trouble


@pytest.mark.parametrize("trouble", [None, Unavailable("gone")])
async def test_two_turns_are_enough_for_all(trouble):
    """The first that comes has one for itself, all others the next, however it ends."""
    work = Work()
    work.trouble = trouble
    together = Together(work, on=Unavailable)
    waiting = [asyncio.create_task(together.done()) for _ in range(100)]
    await asyncio.sleep(0)
    work.may_end.set()
    answers = await asyncio.gather(*waiting, return_exceptions=True)

    assert work.turns == 2
    assert {(type(each), str(each)) for each in answers} == {(type(trouble), str(trouble))}
    assert len({id(each) for each in answers}) == (100 if trouble else 1)


async def test_who_comes_when_it_has_ended_has_it_done_again():
    work = Work()
    work.may_end.set()
    together = Together(work, on=Unavailable)
    work.trouble = Unavailable("gone")
    with pytest.raises(Unavailable):
        await together.done()
    work.trouble = None
    await together.done()

    assert work.turns == 2


async def test_one_who_goes_away_takes_nobody_along():
    work = Work()
    together = Together(work, on=Unavailable)
    first, second = (asyncio.create_task(together.done()) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    work.may_end.set()
    await second

    assert (first.cancelled(), work.turns) == (True, 2)
