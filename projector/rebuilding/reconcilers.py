"""The reconcilers of all projections."""

from collections.abc import Iterator, Mapping, Sequence

from projector.parked.events import found
from projector.processing.progress import ProjectionState
from projector.rebuilding.parts import Parts
from projector.rebuilding.reconciler import Reconciler
from projector.store.generations import Survey
from projector.store.transitions import Refused


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

    async def abort(
        self, projection: str, *, generation: str | None = None, dry_run: str | None = None
    ) -> Mapping[str, Survey]:
        """
        Give up the rebuild of a projection, of all its parts together, or of a single one; say what there is then.

        :raises UnknownProjection, Refused: see `Reconciler.abort` and `Parts.abort`.
        """
        if parts := self._parts_of(projection, generation or dry_run):
            return await parts.abort()
        return {projection: await self.find(projection).abort(generation=generation, dry_run=dry_run)}

    async def roll_back(self, projection: str, *, force: bool, generation: str | None = None) -> Mapping[str, Survey]:
        """
        Likewise, let readers use what was live before.

        :raises UnknownProjection, Refused: see `Reconciler.roll_back` and `Parts.roll_back`.
        """
        if parts := self._parts_of(projection, generation):
            return await parts.roll_back(force=force)
        return {projection: await self.find(projection).roll_back(force=force, generation=generation)}

    def _parts_of(self, projection: str, generation: str | None) -> Parts | None:
        """Return all parts of a projection; none where that is the name of a part, or nothing is divided."""
        all_parts = (each.parts for each in self if each.projection.whole == projection and each.parts.are_several)
        parts = next(all_parts, None)
        if parts and generation:
            raise Refused(f"generation {generation} is one of a part: name the part")
        return parts

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
