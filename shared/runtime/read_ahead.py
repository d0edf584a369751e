"""Reading on while what was read is being worked on."""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Generic, TypeVar

T = TypeVar("T")


class ReadAhead(Generic[T]):
    """Items that have come, in order: a bounded number and size of them, with those that are being worked on."""

    def __init__(self, most: int, size: Callable[[T], int], room: int) -> None:
        self._items: asyncio.Queue[T | None] = asyncio.Queue(most)
        self._size = size
        self._room = room
        self._held = self._worked_on = 0
        self._has_room = asyncio.Condition()
        self._error: Exception | None = None

    async def read(self, items: AsyncIterable[T]) -> None:
        try:
            async for item in items:
                await self._hold(self._size(item))
                await self._items.put(item)
        except Exception as error:  # noqa: BLE001 - raised by `some`, behind the items that came before it
            self._error = error
        await self._items.put(None)

    async def some(self) -> list[T]:
        """
        Return all that have come, one at least; none at the end. What was returned before is done with.

        :raises Exception: what the reading of the next one raised.
        """
        await self._hold(-self._worked_on)
        some: list[T] = []
        while not some or not self._items.empty():
            item = await self._items.get()
            if item is None:
                self._items.put_nowait(None)
                break
            some.append(item)
        self._worked_on = sum(map(self._size, some))
        if not some and self._error is not None:
            raise self._error
        return some

    async def _hold(self, size: int) -> None:
        """Wait until there is room for more; one item has room always, however large."""
        async with self._has_room:
            await self._has_room.wait_for(lambda: size <= 0 or not self._held or self._held + size <= self._room)
            self._held += size
            self._has_room.notify()


@asynccontextmanager
async def reading_ahead(
    items: AsyncIterable[T], *, most: int, size: Callable[[T], int], room: int
) -> AsyncIterator[ReadAhead[T]]:
    """
    Read items from here to the end of the block.

    :param room: for items that were read and are not done with, by their sizes.
    """
    ahead: ReadAhead[T] = ReadAhead(most, size, room)
    reading = asyncio.create_task(ahead.read(items))
    try:
        yield ahead
    finally:
        reading.cancel()
        await asyncio.wait([reading])
