"""Going on whatever happens."""

import asyncio
from collections.abc import Awaitable, Callable

from projector.processing.pace import Pace
from projector.processing.progress import Progress
from shared.errors import Unavailable, Unsound
from shared.runtime.cancellation import is_cancelled


class Perseverance:
    """Takes turns until cancelled, and tells what keeps it from it."""

    def __init__(self, progress: Progress, pace: Pace) -> None:
        self._progress = progress
        self._pace = pace
        self._retry = pace.first_retry

    async def persist(self, turn: Callable[[], Awaitable[None]]) -> None:
        """
        Take one turn after the other.

        What is away is tried again until it is back; what somebody must mend is looked at every few seconds.
        """
        while not is_cancelled():
            try:
                await turn()
            except Unavailable as error:
                self._progress.wait(error)
                await self.back_off()
            except Unsound as error:
                self._progress.stop(error)
                await asyncio.sleep(self._pace.recheck)
            except Exception as error:  # noqa: BLE001 - a defect must not go unseen, nor take /status along
                self._progress.break_down(error)
                await asyncio.sleep(self._pace.recheck)

    async def back_off(self) -> None:
        """Wait, twice as long each time until `succeeded`."""
        await asyncio.sleep(self._retry)
        self._retry = min(self._retry * 2, self._pace.longest_retry)

    def succeeded(self) -> None:
        self._retry = self._pace.first_retry
