"""Notice a cancellation even if a callee has swallowed it, and finish what must not be cut short."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


def is_cancelled() -> bool:
    """
    Whether the current task was asked to end.

    Until Python 3.12 `asyncio.wait_for` returns as if nothing had been when it is cancelled at the moment its work is
    done (python/cpython#96764), and redis-py sends every command through it. A loop that goes on for ever therefore
    asks here as well.
    """
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def to_the_end(work: Coroutine[Any, Any, T]) -> T:
    """
    Do something that is not to be cut short: a task that is cancelled meanwhile ends after it.

    It must be bounded in time.
    """
    task, cancelled = asyncio.ensure_future(work), None
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError as error:  # it may come more than once: with the request, and with the process
            cancelled = error
    if cancelled:
        await asyncio.gather(task, return_exceptions=True)  # what it raised has been seen
        raise cancelled
    return task.result()
