"""Which commits of a process go first."""

import asyncio

import pytest

from projector.processing.commit_order import CommitOrder
from tests.support.patience import SECONDS


@pytest.fixture
def order():
    return CommitOrder()


async def others(order, done, *names, within=SECONDS):
    """Start commits that let others go first; each takes some turns of the event loop."""

    async def commit(name):
        await order.let_others_go_first(within=within)
        with order.under_way():
            done.append(f"{name} begins")
            await asyncio.sleep(0)
            done.append(f"{name} ends")

    tasks = [asyncio.create_task(commit(name)) for name in names]
    for _ in range(5):
        await asyncio.sleep(0)
    return tasks


async def test_others_wait_for_a_commit_under_way_and_are_made_one_after_the_other(order):
    done = []
    with order.under_way():
        tasks = await others(order, done, "a", "b")
        assert not done

    await asyncio.gather(*tasks)

    assert done == ["a begins", "a ends", "b begins", "b ends"]


async def test_nobody_waits_for_nothing(order):
    await asyncio.gather(*await others(order, done := [], "a"))

    assert done == ["a begins", "a ends"]


async def test_who_has_waited_long_enough_goes_on(order):
    """One that never ends holds nobody up for ever."""
    with order.under_way():
        await asyncio.gather(*await others(order, done := [], "a", within=0.001))

    assert done == ["a begins", "a ends"]
