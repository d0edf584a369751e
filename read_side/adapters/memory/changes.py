from read_side.adapters.change_query import changes_of
from read_side.adapters.list_query import ListLimits
from read_side.adapters.memory.committed import Committed
from read_side.freshness import Freshness
from read_side.views import ChangeQuery, Changes, ChangesTrimmed
from shared.read_model.changes import ChangeItem


class MemoryChangeViews(Committed):
    projection = "changes"

    def __init__(self, *, freshness: Freshness, list_limits: ListLimits | None = None) -> None:
        super().__init__(freshness=freshness, list_limits=list_limits)
        self._items: list[ChangeItem] = []
        self._trimmed = 0

    def commit(self, *items: ChangeItem, position: int, trimmed: int = 0) -> None:
        """Store what happened as of `position`, and announce it; nothing up to `trimmed` is kept any more."""
        self._items += items
        self._trimmed = max(self._trimmed, trimmed)
        self._reach(position)

    def forget(self) -> None:
        super().forget()
        self._items.clear()

    async def changes(self, query: ChangeQuery) -> Changes:
        position, after = await self.position(), self._trimmed if query.after is None else query.after
        if after < self._trimmed:
            raise ChangesTrimmed(oldest=self._trimmed + 1)
        return changes_of(query, self._items, position=position, after=after, until=position)
