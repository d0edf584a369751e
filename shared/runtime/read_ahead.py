"""Reading on while what was read is being worked on."""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator
from contextlib import asynccontextmanager
from typing import Generic, TypeVar

T = TypeVar("T")


class ReadAhead(Generic[T]):
    """Items that have come, in order, and a bounded number of them."""

    def __init__(self, most: int) -> None:
        self._items: asyncio.Queue[T | None] = asyncio.Queue(most)
        self._error: Exception | None = None

    async def read(self, items: AsyncIterable[T]) -> None:
        try:
            async for item in items:
                await self._items.put(item)
        except Exception as error:  # noqa: BLE001 - raised by `some`, behind the items that came before it
            self._error = error
        await self._items.put(None)

    async def some(self) -> list[T]:
        """
        Return all that have come, one at least; none at the end.

        :raises Exception: what the reading of the next one raised.
        """
        some: list[T] = []
        while not some or not self._items.empty():
            item = await self._items.get()
            if item is None:
                self._items.put_nowait(None)
                break
            some.append(item)
        if not some and self._error is not None:
            raise self._error
        return some


@asynccontextmanager
async def reading_ahead(items: AsyncIterable[T], *, most: int) -> AsyncIterator[ReadAhead[T]]:
    """Read items from here to the end of the block."""
    ahead: ReadAhead[T] = ReadAhead(most)
    reading = asyncio.create_task(ahead.read(items))
    try:
        yield ahead
    finally:
        reading.cancel()
        await asyncio.wait([reading])
