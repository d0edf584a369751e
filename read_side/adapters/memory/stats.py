from read_side.adapters.list_query import ListLimits
from read_side.adapters.memory.committed import Committed
from read_side.adapters.memory.pages import sealed
from read_side.freshness import Freshness
from read_side.views import Match
from shared.read_model.envelope import Sealed
from shared.read_model.records import StatsRecord


class MemoryStatsViews(Committed):
    projection = "stats"

    def __init__(self, *, freshness: Freshness, list_limits: ListLimits | None = None) -> None:
        super().__init__(freshness=freshness, list_limits=list_limits)
        self._document: Sealed | None = None

    def commit(self, record: StatsRecord | None = None, *, position: int) -> None:
        """Store the record as of `position`, if there is a new one, and announce it."""
        if record is not None:
            self._document = sealed(position, record)
        self._reach(position)

    def forget(self) -> None:
        super().forget()
        self._document = None

    async def read(self) -> Match:
        return Match(await self.position(), self._document)
