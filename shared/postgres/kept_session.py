"""A session that is opened once and lent again and again."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Generic, TypeVar

T = TypeVar("T")


class KeptSession(Generic[T]):
    """Open a session when it is first asked for, and lend it to one caller at a time until something fails in it."""

    def __init__(self, connect: Callable[[], AbstractAsyncContextManager[T]]) -> None:
        self._connect = connect
        self._session: T | None = None
        self._open = AsyncExitStack()

    @asynccontextmanager
    async def lent(self) -> AsyncIterator[T]:
        try:
            if self._session is None:
                self._session = await self._open.enter_async_context(self._connect())
            yield self._session
        except BaseException:
            await self.aclose()
            raise

    async def aclose(self) -> None:
        """End the session, if there is one."""
        self._session = None
        await self._open.aclose()
