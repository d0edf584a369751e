"""Messages that are carried out at once, and yet in order: which begin when."""

import asyncio
from collections import deque
from contextlib import aclosing
from uuid import UUID

import pytest

from shared.problems import INVALID, Refusal
from write_side.execution.in_order import MOST_AT_ONCE, InOrder
from write_side.ports import Answer, NotYet, Outcome

DONE = Answer(Outcome(UUID(int=1), 1, 1), replayed=False)


class Messages:
    """Numbers, of which each ends when it is let; `begun` are those whose turn it was, with their places."""

    def __init__(self, count):
        self.left = deque(range(count))
        self.begun = []
        self._ends = {}
        self.in_order = InOrder(self._carry_out)

    async def _carry_out(self, message, place):
        self.begun.append((message, place.number))
        self.window = place.window
        self._ends[message] = asyncio.get_running_loop().create_future()
        return await self._ends[message]

    def more(self, most):
        return [self.left.popleft() for _ in range(min(most, len(self.left)))]

    def endings(self):
        return self.in_order.begin(self.more(MOST_AT_ONCE), self.more)

    def end(self, messages, ending=DONE):
        for each in messages:
            if isinstance(ending, NotYet):
                self._ends[each].set_exception(ending)
            else:
                self._ends[each].set_result(ending)


async def quiet():
    """Let everything go on until nothing does."""
    for _ in range(50):
        await asyncio.sleep(0)


async def test_those_of_the_next_transaction_get_ready_once_the_first_are_on_their_way():
    messages = Messages(1_000)
    async with aclosing(messages.endings()) as endings:
        first = asyncio.ensure_future(anext(endings))
        await quiet()
        before = len(messages.begun)

        messages.window.on_its_way()
        await quiet()
        ahead = len(messages.begun)
        messages.end(range(10))
        assert [await first, *[await anext(endings) for _ in range(9)]] == [DONE] * 10
        messages.window.on_its_way()
        await quiet()

        assert (before, ahead, len(messages.begun)) == (MOST_AT_ONCE, 2 * MOST_AT_ONCE, 2 * MOST_AT_ONCE + 9)
    assert [place for _, place in messages.begun] == list(range(len(messages.begun)))


async def test_a_window_ends_after_many():
    """The first of another one has to ask for a permit again."""
    places, left = [], deque(range(3_000))

    async def carry_out(_, place):
        place.window.on_its_way()
        places.append(place)
        return DONE

    def more(most):
        return [left.popleft() for _ in range(most)]

    endings = [each async for each in InOrder(carry_out).begin(more(1), more)]

    assert [place.number for place in places] == list(range(16 * MOST_AT_ONCE))
    assert endings == [DONE] * len(places)


@pytest.mark.parametrize("last", [Refusal(INVALID, "planted"), NotYet()], ids=["left", "not yet"])
async def test_nothing_begins_once_a_caller_has_gone_or_something_has_to_come_again(last):
    messages = Messages(1_000)
    async with aclosing(messages.endings()) as endings:
        first = asyncio.ensure_future(anext(endings))
        await quiet()
        messages.end([0])
        messages.end([1], last)
        await first
        if isinstance(last, Refusal):
            assert await anext(endings) is last
        else:
            with pytest.raises(StopAsyncIteration):
                await anext(endings)

    messages.window.on_its_way()
    await quiet()

    assert len(messages.begun) == MOST_AT_ONCE


async def test_what_depended_on_one_before_is_tried_with_as_few_as_did_not():
    """Nor does anything get ready behind them, which would be in vain."""
    messages = Messages(1_000)
    async with aclosing(messages.endings()) as endings:
        following = asyncio.ensure_future(anext(endings))
        await quiet()
        messages.end(range(3))
        messages.end([3], NotYet())
        assert [await following, await anext(endings), await anext(endings)] == [DONE] * 3
        with pytest.raises(StopAsyncIteration):
            await anext(endings)
    messages.begun.clear()

    async with aclosing(messages.endings()) as endings:
        following = asyncio.ensure_future(anext(endings))
        await quiet()
        messages.window.on_its_way()
        await quiet()
        messages.end(range(MOST_AT_ONCE, MOST_AT_ONCE + 3))
        await following

    assert len(messages.begun) == 3
