"""What all views in memory are: filled by commits, and empty in another way than never filled."""

from typing import Self

from read_side.adapters.list_query import ListLimits
from read_side.freshness import Freshness
from read_side.views import NeverFilled


class Committed:
    """Documents that a test, or a projector in this process, has committed; without a commit never filled."""

    projection: str

    def __init__(self, *, freshness: Freshness, list_limits: ListLimits | None = None) -> None:
        self.freshness = freshness
        self._list_limits = list_limits or ListLimits()
        self._position: int | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        return None

    async def position(self) -> int:
        if self._position is None:
            raise NeverFilled(f"The read model {self.projection} was not filled yet")
        return self._position

    def forget(self) -> None:
        """Be as if nothing was ever committed."""
        self._position = None

    def _reach(self, position: int) -> None:
        self._position = position
        self.freshness.announce(position)
