import asyncio
from functools import partial

import pytest
from structlog.testing import capture_logs

from shared.runtime.tasks import Tasks, side_by_side


@pytest.fixture
def ended():
    return []


@pytest.fixture
def loop(ended):
    async def run(name):
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(name)

    return run


async def test_loops_are_cancelled_and_awaited_at_the_end(loop, ended):
    async with Tasks() as tasks:
        for name in ("one", "another"):
            tasks.start(loop(name), name=name)
        await asyncio.sleep(0)

    assert sorted(ended) == ["another", "one"]


async def test_one_loop_can_be_stopped_before_the_others(loop, ended):
    async with Tasks() as tasks:
        one, _ = (tasks.start(loop(name), name=name) for name in ("one", "another"))
        await asyncio.sleep(0)

        await tasks.stop(one)

        assert ended == ["one"]


async def test_a_defect_in_one_loop_is_critical_and_ends_no_other(loop, ended):
    async def broken():
        raise ZeroDivisionError

    with capture_logs() as logs:
        async with Tasks() as tasks:
            tasks.start(loop("sound"), name="sound")
            task = tasks.start(broken(), name="broken")
            await asyncio.wait([task])
            await asyncio.sleep(0)

            assert ended == []

    (entry,) = logs
    assert (entry["log_level"], entry["task"]) == ("critical", "broken")
    assert isinstance(entry["exc_info"], ZeroDivisionError)


async def test_an_error_in_the_block_ends_the_loops_too(loop, ended):
    async def serve():
        async with Tasks() as tasks:
            tasks.start(loop("one"), name="one")
            await asyncio.sleep(0)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await serve()
    assert ended == ["one"]


async def test_the_first_error_of_work_side_by_side_ends_the_rest_and_is_raised(loop, ended):
    async def broken():
        await asyncio.sleep(0)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await side_by_side([partial(loop, "sound"), broken], at_once=2)

    assert ended == ["sound"]


@pytest.mark.parametrize("at_once", [1, 2])
async def test_all_work_side_by_side_is_done_so_much_at_once(at_once):
    under_way, most, done = 0, 0, []

    async def work(number):
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0)
        under_way -= 1
        done.append(number)

    await side_by_side([partial(work, number) for number in range(5)], at_once=at_once)

    assert (done, most) == ([0, 1, 2, 3, 4], at_once)
