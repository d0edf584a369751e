"""How many commands are taken on, and what those are told who are not."""

import asyncio

import pytest

from shared.errors import Overloaded
from write_side.execution.admission import Admission

pytestmark = pytest.mark.anyio


async def test_one_more_than_may_wait_is_refused_at_once():
    admission = Admission(at_once=1, most_waiting=1)

    async with admission.taken_on(), admission.taken_on():
        with pytest.raises(Overloaded):
            async with admission.taken_on():
                pass

    async with admission.taken_on():
        pass


async def test_turns_come_in_the_order_in_which_they_were_waited_for():
    """One at a time, where one is all there is."""
    admission, order = Admission(at_once=1), []

    async def take(name):
        async with admission.turn():
            order.append(name)
            await asyncio.sleep(0)

    async with admission.turn():
        waiting = [asyncio.create_task(take(name)) for name in ("first", "second", "third")]
        await asyncio.sleep(0)
        assert order == []
    await asyncio.gather(*waiting)

    assert order == ["first", "second", "third"]


async def test_whose_turn_does_not_come_is_refused_and_leaves_no_trace():
    admission = Admission(at_once=1, patience=0.01)

    async with admission.turn():
        with pytest.raises(Overloaded, match=r"no turn came within 0\.01 s"):
            async with admission.turn():
                pass

    async with admission.turn():
        pass
