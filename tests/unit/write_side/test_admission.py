"""How many commands are in flight, and what becomes of those that are too many."""

import asyncio

import pytest

from shared.errors import Overloaded
from tests.support.patience import SECONDS
from write_side.execution.admission import Admission
from write_side.execution.limits import ExecutionLimits


async def test_one_more_than_may_wait_is_refused_at_once():
    admission = Admission(ExecutionLimits(at_once=1, most_waiting=1))

    with pytest.raises(Overloaded):
        async with admission.in_flight(), admission.in_flight(), admission.in_flight():
            pass

    async with admission.in_flight(), admission.in_flight():
        pass


async def test_permits_come_in_the_order_in_which_they_were_asked_for():
    """One at a time, where one is all there is."""
    admission, order = Admission(ExecutionLimits(at_once=1)), []

    async def take(name):
        async with admission.permit():
            order.append(name)
            await asyncio.sleep(0)

    async with admission.permit():
        waiting = [asyncio.create_task(take(name)) for name in ("first", "second", "third")]
        await asyncio.sleep(0)
        assert order == []
    await asyncio.gather(*waiting)

    assert order == ["first", "second", "third"]


async def test_a_permit_that_does_not_come_is_refused_and_leaves_no_trace():
    admission = Admission(ExecutionLimits(at_once=1, permit_seconds=0.01))

    with pytest.raises(Overloaded, match=r"no permit was free within 0\.01 s"):
        async with asyncio.timeout(SECONDS), admission.permit(), admission.permit():
            pass

    async with admission.permit():
        pass
