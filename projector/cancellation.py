"""Noticing that one was cancelled, even if somebody below has swallowed it."""

import asyncio


def is_cancelled() -> bool:
    """
    Whether the current task was asked to end.

    Until Python 3.12 `asyncio.wait_for` returns as if nothing had been when it is cancelled at the moment its work is
    done (python/cpython#96764), and redis-py sends every command through it. A loop that goes on for ever therefore
    asks here as well.
    """
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
