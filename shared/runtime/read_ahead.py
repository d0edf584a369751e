"""Reading on while what was read is being worked on."""

import asyncio
from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Generic, TypeVar

T = TypeVar("T")


class ReadAhead(Generic[T]):
    """Items that have come, in order: a bounded number and size of them, with those that are being worked on."""

    def __init__(self, most: int, size: Callable[[T], int], room: int) -> None:
        self._most = most
        self._size = size
        self._room = room
        self._come: deque[T] = deque()
        self._held = 0
        self._is_read = False
        self._error: Exception | None = None
        self._more_came, self._has_room = asyncio.Event(), asyncio.Event()

    async def read(self, items: AsyncIterable[T]) -> None:
        try:
            async for item in items:
                size = self._size(item)
                while len(self._come) >= self._most or not self._may_hold(size):
                    self._has_room.clear()
                    await self._has_room.wait()
                self._held += size
                self._come.append(item)
                self._more_came.set()
        except Exception as error:  # noqa: BLE001 - raised by `some`, behind the items that came before it
            self._error = error
        self._is_read = True
        self._more_came.set()

    def _may_hold(self, size: int) -> bool:
        """Whether there is room for one more; one item has room always, however large."""
        return not self._held or self._held + size <= self._room

    async def some(self, most: int) -> list[T]:
        """
        Return those that have come, one at least; none at the end.

        :raises Exception: what the reading of the next one raised.
        """
        while not self._come and not self._is_read:
            self._more_came.clear()
            await self._more_came.wait()
        if not self._come and self._error is not None:
            raise self._error
        return self.more(most)

    def more(self, most: int) -> list[T]:
        """Return those that have come by now, if any."""
        taken = [self._come.popleft() for _ in range(min(most, len(self._come)))]
        self._has_room.set()
        return taken

    def done(self, item: T) -> None:
        """Let others have the room of an item that was worked on."""
        self._held -= self._size(item)
        self._has_room.set()

    def put_back(self, items: Iterable[T]) -> None:
        """Have items that were taken, and are not done, come again before all others."""
        self._come.extendleft(reversed([*items]))


@asynccontextmanager
async def reading_ahead(
    items: AsyncIterable[T], *, most: int, size: Callable[[T], int], room: int
) -> AsyncIterator[ReadAhead[T]]:
    """
    Read items from here to the end of the block.

    :param most: items that were read and not taken.
    :param room: for items that were read and are not done with, by their sizes.
    """
    ahead: ReadAhead[T] = ReadAhead(most, size, room)
    reading = asyncio.create_task(ahead.read(items))
    try:
        yield ahead
    finally:
        reading.cancel()
        await asyncio.wait([reading])
