"""The read API."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import svcs
from litestar import Litestar, asgi
from litestar.types import ASGIApp, Receive, Scope, Send
from prometheus_client import Gauge

from read_side.http.batch import batch_get
from read_side.http.documentation import document
from read_side.http.problems import PROBLEMS
from read_side.http.profiles import ProfileLookUps
from read_side.views import ProfileViews
from shared.http.app import assemble
from shared.http.services import Register

_WAITERS = Gauge("muster_read_waiters", "Requests that wait for a projection to come further.", ("projection",))


def read_api(*registers: Register) -> ASGIApp:
    """
    The read API on the adapters that `registers` name; what is registered last wins.

    Needs `ProfileViews`, and opens them.
    """
    return assemble(
        handlers=[profiles, batch_get],
        registers=registers,
        problems=PROBLEMS,
        document=document(),
        lifespan=[_open_views],
    )


@asgi("/profiles", is_mount=True, copy_scope=False)
async def profiles(scope: Scope, receive: Receive, send: Send) -> None:
    await scope["litestar_app"].state["profiles"](scope, receive, send)


@asynccontextmanager
async def _open_views(app: Litestar) -> AsyncIterator[None]:
    async with svcs.Container(app.state.registry) as container, await container.aget_abstract(ProfileViews) as views:
        app.state["profiles"] = ProfileLookUps(views)
        _WAITERS.labels("profiles").set_function(lambda: views.freshness.waiting)
        yield
