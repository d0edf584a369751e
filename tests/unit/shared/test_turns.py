"""Questions that come while one is asked are asked together."""

import asyncio

import pytest

from shared.runtime.turns import TakingTurns


class Doubling:
    """Answers once it may, and remembers what it was asked together."""

    def __init__(self) -> None:
        self.asked = []
        self.may_answer = asyncio.Event()
        self.error = None

    async def __call__(self, questions):
        self.asked.append(list(questions))
        await self.may_answer.wait()
        if self.error:
            raise self.error
        return {each: 2 * each for each in questions if each}


async def asking(turns, *questions):
    tasks = [asyncio.create_task(turns(each)) for each in questions]
    await asyncio.sleep(0)
    return tasks


async def test_those_that_come_meanwhile_are_asked_together():
    doubling = Doubling()
    tasks = await asking(TakingTurns(doubling), 1, 2, 0, 3)
    assert doubling.asked == [[1]]  # nobody waits for others to come

    doubling.may_answer.set()

    assert await asyncio.gather(*tasks) == [2, 4, None, 6]
    assert doubling.asked == [[1], [2, 0, 3]]


@pytest.mark.parametrize(
    ("given_up", "answers"), [(0, [4, 6]), (1, [2, 6])], ids=["the one that asks", "one that waits"]
)
async def test_one_that_is_given_up_takes_no_other_with_it(given_up, answers):
    doubling = Doubling()
    tasks = await asking(TakingTurns(doubling), 1, 2, 3)

    tasks.pop(given_up).cancel()
    await asyncio.sleep(0)
    doubling.may_answer.set()

    assert await asyncio.gather(*tasks) == answers


async def test_an_error_meets_all_that_were_asked_for_and_nobody_after_them():
    doubling = Doubling()
    turns = TakingTurns(doubling)
    doubling.error = LookupError()
    doubling.may_answer.set()

    met = await asyncio.gather(turns(1), turns(2), turns(3), return_exceptions=True)
    doubling.error = None

    assert [type(each) for each in met] == [LookupError] * 3
    assert await turns(4) == 8
