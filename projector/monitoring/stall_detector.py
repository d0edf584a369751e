"""Whether the projections move when the log does, as seen from outside of the engine."""

from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic

from projector.monitoring.status import ProjectionStatus, Status

PATIENCE_SECONDS = 15.0


class StandsStill(Exception):
    """The log goes on and a projection does not; the message says which."""


@dataclass(slots=True)
class _Seen:
    revision: int | None
    since: float


class Watch:
    """
    Looks at the store and the log, not at what the engine says of itself: one that has died cannot say that it is well.

    A projection that has nothing to do may stand; so may all of them while a transaction holds the log up, or while a
    server is away.
    """

    def __init__(self, *, now: Callable[[], float] = monotonic, patience: float = PATIENCE_SECONDS) -> None:
        self._now = now
        self._patience = patience
        self._looked = now()
        self._seen: dict[str, _Seen] = {}
        self._behind: dict[str, str] = {}

    def look(self, status: Status) -> None:
        """Take note of how far everything is; to be called every few seconds."""
        self._looked = self._now()
        for told in status.projections:
            if self._may_stand(told, status):
                self._seen[told.name] = _Seen(told.revision, self._now())
                self._behind.pop(told.name, None)
            elif self._now() - self._seen[told.name].since >= self._patience:
                self._behind[told.name] = (
                    f"projection {told.name} stands at {told.checkpoint}, the log has gone on to {status.head}"
                )

    def require_moving(self) -> None:
        """
        Return if every projection moves that should.

        :raises StandsStill: one does not, or nobody has looked for a while.
        """
        if self._now() - self._looked > self._patience:
            raise StandsStill("nobody has looked at the projections for a while")
        for why in self._behind.values():
            raise StandsStill(why)

    def _may_stand(self, told: ProjectionStatus, status: Status) -> bool:
        if status.head is None or told.checkpoint is None or told.checkpoint >= status.head or status.held_by:
            return True
        return told.name not in self._seen or self._seen[told.name].revision != told.revision
