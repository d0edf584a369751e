from collections import defaultdict
from uuid import UUID

from read_side.adapters.list_query import ListLimits
from read_side.adapters.memory.committed import Committed
from read_side.adapters.memory.pages import encoded, page
from read_side.freshness import Freshness
from read_side.views import Page, Variant
from shared.read_model.activity import packed
from shared.read_model.records import ActivityRecord


class MemoryActivityViews(Committed):
    projection = "activity"

    def __init__(self, *, freshness: Freshness, list_limits: ListLimits | None = None) -> None:
        super().__init__(freshness=freshness, list_limits=list_limits)
        self._happened: dict[str, dict[int, ActivityRecord]] = defaultdict(dict)

    def commit(self, *happened: tuple[UUID, ActivityRecord], position: int) -> None:
        """Store what happened to which account as of `position`, and announce it."""
        for account_id, record in happened:
            self._happened[str(account_id)][record.position] = record
        self._reach(position)

    def forget(self) -> None:
        super().forget()
        self._happened.clear()

    async def of(self, account_id: str, *, limit: int, after: bytes | None = None, variant: Variant = "full") -> Page:
        position = await self.position()
        if account_id not in self._happened:
            return Page(position, None)
        placed = {
            at.to_bytes(8, "big"): encoded(packed(record).record(record.account_id, is_public=variant == "public"))
            for at, record in self._happened[account_id].items()
        }
        return page(placed, position=position, limit=limit, after=after, descending=True)
