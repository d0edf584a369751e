"""Whether the projections move when the log does, as seen from outside of their processors."""

from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic

from projector.monitoring.answers import PartStatus, Status
from projector.monitoring.limits import MonitoringLimits
from projector.processing.progress import ProjectionState


class ProjectionStalled(Exception):
    """The log goes on and a projection does not; the message says which."""


@dataclass(slots=True)
class _Progress:
    revision: int | None
    since: float


class StallDetector:
    """
    Compare the store with the log, and not with what a processor reports: a dead one cannot report that it is dead.

    A projection that has nothing to do may stand, and one that has stopped, which says why itself; so may all of them
    while a transaction holds the log up, or while a server is away. Few of those that reflect nothing yet are filled at
    once: the others may stand as long as one of them moves.
    """

    def __init__(self, *, now: Callable[[], float] = monotonic, limits: MonitoringLimits | None = None) -> None:
        self._now = now
        self._patience = (limits or MonitoringLimits()).stall
        self._observed = now()
        self._progress: dict[str, _Progress] = {}
        self._stalls: dict[str, str] = {}

    def observe(self, status: Status) -> None:
        """Take note of how far every projection is; to be called every few seconds."""
        self._observed = self._now()
        is_filling = any(each.checkpoint == 0 and self._has_moved(each) for each in status.parts)
        for projection in status.parts:
            if self._may_stand(projection, status) or (is_filling and projection.checkpoint == 0):
                self._progress[projection.name] = _Progress(projection.revision, self._now())
                self._stalls.pop(projection.name, None)
            elif self._now() - self._progress[projection.name].since >= self._patience:
                self._stalls[projection.name] = (
                    f"projection {projection.name} stands at {projection.checkpoint},"
                    f" the log has gone on to {status.head}"
                )

    def require_moving(self) -> None:
        """:raises ProjectionStalled: a projection does not move that should, or no status was observed for a while."""
        if self._now() - self._observed > self._patience:
            raise ProjectionStalled("the status of the projections was not read for a while")
        for stall in self._stalls.values():
            raise ProjectionStalled(stall)

    def _may_stand(self, projection: PartStatus, status: Status) -> bool:
        if (
            status.head is None
            or projection.checkpoint is None
            or projection.checkpoint >= status.head
            or status.held_by
            or projection.state == ProjectionState.STOPPED
        ):
            return True
        return self._has_moved(projection)

    def _has_moved(self, projection: PartStatus) -> bool:
        return projection.name not in self._progress or self._progress[projection.name].revision != projection.revision
