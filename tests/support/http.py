"""An application as its clients see it, in this process and on this event loop."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
from litestar.types import ASGIApp


@asynccontextmanager
async def client_of(app: ASGIApp) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a service that has started, and is stopped in the end."""
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    # RequestScope wraps the Litestar application, which alone knows how to start.
    async with app._app.lifespan(), httpx.AsyncClient(transport=transport, base_url="http://service") as client:
        yield client
