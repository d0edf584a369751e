"""Work that is done once for all who want it at the same time, and fails once for all of them."""

import asyncio
from collections.abc import Awaitable, Callable


class Together:
    """
    Work that nobody does alone: those who come while it is under way share the next turn of it.

    So all have what was found after they came, and none waits for more than two turns, however many there are.

    :param on: the errors that are shared; each caller gets one of its own, with the same words.
    """

    def __init__(self, work: Callable[[], Awaitable[None]], *, on: type[Exception]) -> None:
        self._work, self._on = work, on
        self._lock = asyncio.Lock()
        self._begun = self._ended = 0
        self._trouble: Exception | None = None

    async def done(self) -> None:
        """
        Return once a turn has ended that began after this was called.

        :raises Exception: one of `on`, by which that ended.
        """
        came = self._begun
        async with self._lock:
            if self._ended <= came:  # none has begun since
                self._begun += 1
                self._trouble = await self._troubled()
                self._ended = self._begun
            trouble = self._trouble
        if trouble is not None:
            raise type(trouble)(str(trouble))

    async def ended(self) -> None:
        """Return once no turn is under way."""
        async with self._lock:
            return

    async def _troubled(self) -> Exception | None:
        try:
            await self._work()
        except self._on as error:
            return error
        return None
