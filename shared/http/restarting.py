"""An application that is started anew on other services while it is served."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Protocol


class Startable(Protocol):
    """An application as `shared.http.app.assemble` returns it, which may be started again once it has ended."""

    def lifespan(self) -> AbstractAsyncContextManager[None]: ...

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None: ...


class RestartedApp:
    """
    Ends the application and starts it anew whenever it is outdated; who asks in between waits.

    :param prepare: called before each start.
    :param outdated: is set by what runs in it.
    """

    def __init__(self, app: Any, *, prepare: Callable[[], Awaitable[None]], outdated: asyncio.Event) -> None:
        self._app: Startable = app
        self._prepare = prepare
        self._outdated = outdated
        self._serving = asyncio.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        await self._serving.wait()
        await self._app(scope, receive, send)

    async def _live(self, receive: Any, send: Any) -> None:
        await receive()
        ended, started = asyncio.ensure_future(receive()), {"type": "lifespan.startup.complete"}
        while not ended.done():
            async with self._running():
                if started:
                    await send(started)
                    started = {}
                outdated = asyncio.ensure_future(self._outdated.wait())
                await asyncio.wait([ended, outdated], return_when=asyncio.FIRST_COMPLETED)
                outdated.cancel()
        await send({"type": "lifespan.shutdown.complete"})

    @asynccontextmanager
    async def _running(self) -> AsyncIterator[None]:
        await self._prepare()
        self._outdated.clear()
        async with self._app.lifespan():
            self._serving.set()
            yield
            self._serving.clear()
