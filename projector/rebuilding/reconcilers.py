"""The reconcilers of all projections."""

from collections.abc import Iterator, Mapping, Sequence

from projector.processing.parked_events import found
from projector.processing.progress import ProjectionState
from projector.rebuilding.reconciler import Reconciler


class NotFed(Exception):
    """A projection stands still; the message says why."""


class Reconcilers:
    """One reconciler for each projection."""

    def __init__(self, reconcilers: Sequence[Reconciler]) -> None:
        self._by_projection = {each.projection.label: each for each in reconcilers}

    def __iter__(self) -> Iterator[Reconciler]:
        return iter(self._by_projection.values())

    def find(self, projection: str) -> Reconciler:
        """
        Return the reconciler of a projection.

        :raises UnknownProjection: there is no such projection.
        """
        return found(projection, self._by_projection)

    def require_feeding(self) -> None:
        """
        Return if every projection is fed, by this projector or another, will be once a server is back, or is frozen.

        :raises NotFed: one is not, and why.
        """
        for progress in (reconciler.progress for reconciler in self):
            if not progress.is_frozen and progress.state in {ProjectionState.STARTING, ProjectionState.STOPPED}:
                raise NotFed(progress.error or f"projection {progress.projection} is starting")

    def frozen(self) -> Mapping[str, str]:
        """Return the projections that another version has made, by their names, and what is to be done."""
        frozen = (reconciler.progress for reconciler in self)
        return {each.projection: each.error for each in frozen if each.is_frozen and each.error}
