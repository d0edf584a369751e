"""The reconcilers of all projections."""

from collections.abc import Iterator, Mapping, Sequence

from projector.parked.events import found
from projector.processing.progress import ProjectionState
from projector.rebuilding.parts import Parts
from projector.rebuilding.reconciler import Reconciler
from projector.store.generations import Order, Survey
from projector.store.transitions import Seen


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

    async def begin(self, projection: str, order: Order, *, seen: Seen = None) -> Mapping[str, Survey]:
        """
        Rebuild a projection, all its parts, or a single one; say what there is then.

        :raises UnknownProjection, Refused: see `Reconciler.begin` and `Parts.begin`.
        """
        if parts := self._parts_of(projection):
            return await parts.begin(order, seen=seen)
        return {projection: await self.find(projection).begin(order, seen=seen)}

    async def abort(self, projection: str, *, seen: Seen = None, is_dry: bool = False) -> Mapping[str, Survey]:
        """
        Likewise, give up the rebuild.

        :raises UnknownProjection, Refused: see `Reconciler.abort` and `Parts.abort`.
        """
        if parts := self._parts_of(projection):
            return await parts.abort(seen=seen, is_dry=is_dry)
        return {projection: await self.find(projection).abort(seen=seen, is_dry=is_dry)}

    async def roll_back(self, projection: str, *, force: bool, seen: Seen = None) -> Mapping[str, Survey]:
        """
        Likewise, let readers use what was live before.

        :raises UnknownProjection, Refused: see `Reconciler.roll_back` and `Parts.roll_back`.
        """
        if parts := self._parts_of(projection):
            return await parts.roll_back(force=force, seen=seen)
        return {projection: await self.find(projection).roll_back(force=force, seen=seen)}

    def _parts_of(self, projection: str) -> Parts | None:
        """Return all parts of a projection; none where that is the name of a part, or nothing is divided."""
        all_parts = (each.parts for each in self if each.projection.whole == projection and each.parts.are_several)
        return next(all_parts, None)

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
