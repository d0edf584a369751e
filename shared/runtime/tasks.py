"""Long-lived loops that run side by side, and beside the work of a service; and work that is divided among some."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from typing import Any, Self

import structlog

log = structlog.get_logger()


class Tasks:
    """
    Run loops until the context is left, then cancel them and wait for their end.

    A loop that raises has a defect: it is logged as critical, and the other loops go on.
    """

    def __init__(self) -> None:
        self._running: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop_all()

    def start(self, loop: Coroutine[Any, Any, None], *, name: str) -> asyncio.Task[None]:
        """:param name: of the loop, in the log."""
        task = asyncio.create_task(loop, name=name)
        self._running.add(task)
        task.add_done_callback(self._note_end)
        return task

    async def stop(self, *tasks: asyncio.Task[None]) -> None:
        """Cancel some of the loops, and wait for their end."""
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def stop_all(self) -> None:
        """Cancel all loops, and wait for their end."""
        await self.stop(*self._running)

    def _note_end(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        if not task.cancelled() and (error := task.exception()):
            log.critical("a background task has ended with a defect", task=task.get_name(), exc_info=error)


async def side_by_side(works: Iterable[Callable[[], Awaitable[None]]], *, at_once: int) -> None:
    """
    Do pieces of work, in their order and so many at once; the first error ends all of them, and is raised.

    Not by a TaskGroup: in Python 3.11 it leaves the task cancelled whose child has failed.
    """
    left = iter(works)

    async def work() -> None:
        for each in left:
            await each()

    if at_once == 1:
        await work()
        return
    tasks = [asyncio.create_task(work()) for _ in range(at_once)]
    try:
        ended, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        for each in ended:
            each.result()
    finally:
        for each in tasks:
            each.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
