"""Which commits of a process go first: all share one event loop, and readers wait for what is done in between."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress


class CommitOrder:
    """
    Lets others wait while a commit is under way that readers wait for, and makes them one after the other.

    It is an order and no lock: who has waited long enough goes on.
    """

    def __init__(self) -> None:
        self._under_way = 0
        self._none = asyncio.Event()

    @contextmanager
    def under_way(self) -> Iterator[None]:
        """Have others wait for a commit."""
        self._under_way += 1
        self._none.clear()
        try:
            yield
        finally:
            self._under_way -= 1
            if not self._under_way:
                self._none.set()

    async def let_others_go_first(self, *, within: float) -> None:
        """Wait until no commit is under way, or for so many seconds; who begins one at once is the only one then."""
        if self._under_way:
            with suppress(TimeoutError):
                async with asyncio.timeout(within):
                    while self._under_way:
                        await self._none.wait()
