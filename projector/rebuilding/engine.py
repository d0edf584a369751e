"""What a projector does for as long as its process lives."""

import asyncio
from collections.abc import Sequence

from projector.processing.leadership import LeaderElection
from projector.processing.progress import State
from projector.rebuilding.reconciler import Reconciler


class NotFed(Exception):
    """A projection stands still; the message says why."""


class Engine:
    """Has all projections looked after."""

    def __init__(self, *, reconcilers: Sequence[Reconciler], election: LeaderElection) -> None:
        self.reconcilers = reconcilers
        self._election = election

    async def run(self) -> None:
        """Feed until cancelled, then give the leases up."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._election.run())
            for reconciler in self.reconcilers:
                group.create_task(reconciler.run())

    def require_feeding(self) -> None:
        """
        Return if every projection is fed, by this projector or another, or will be once a server is back.

        :raises NotFed: one is not, and why.
        """
        for progress in (reconciler.progress for reconciler in self.reconcilers):
            if progress.state in {State.STARTING, State.STOPPED}:
                raise NotFed(progress.error or f"projection {progress.projection} is starting")
