"""What a projector does for as long as its process lives."""

import asyncio
from collections.abc import Sequence

from projector.processing.leadership import Tenure
from projector.processing.progress import State
from projector.rebuilding.reconciler import Steward


class NotFed(Exception):
    """A projection stands still; the message says why."""


class Engine:
    """Has all projections looked after."""

    def __init__(self, *, stewards: Sequence[Steward], tenure: Tenure) -> None:
        self.stewards = stewards
        self._tenure = tenure

    async def run(self) -> None:
        """Feed until cancelled, then give the leases up."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._tenure.run())
            for steward in self.stewards:
                group.create_task(steward.run())

    def require_feeding(self) -> None:
        """
        Return if every projection is fed, by this projector or another, or will be once a server is back.

        :raises NotFed: one is not, and why.
        """
        for progress in (steward.progress for steward in self.stewards):
            if progress.state in {State.STARTING, State.STOPPED}:
                raise NotFed(progress.error or f"projection {progress.projection} is starting")
