"""What is not cut short, however often it is cancelled."""

import asyncio

import pytest

from shared.runtime.cancellation import to_the_end


@pytest.mark.parametrize("times", [1, 2, 3])
async def test_work_goes_on_to_its_end(times):
    """A request is given up, and then its process is stopped."""
    may_end, done = asyncio.Event(), []

    async def work():
        await may_end.wait()
        done.append("done")

    task = asyncio.create_task(to_the_end(work()))
    for _ in range(times):
        await asyncio.sleep(0)
        task.cancel()
    for _ in range(3):
        await asyncio.sleep(0)
    waited = not task.done()
    may_end.set()

    with pytest.raises(asyncio.CancelledError):
        await task
    assert (waited, done) == (True, ["done"])


async def test_it_has_the_result_or_the_error_of_its_work():
    async def works():
        return 1

    async def fails():
        raise LookupError

    assert await to_the_end(works()) == 1
    with pytest.raises(LookupError):
        await to_the_end(fails())
