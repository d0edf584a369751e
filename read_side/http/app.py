"""The read API."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any

import svcs
from litestar import Litestar, asgi
from litestar.types import ASGIApp, Receive, Scope, Send
from prometheus_client import Gauge

from read_side.http.documentation import document
from read_side.http.problems import PROBLEMS
from read_side.http.resources import RESOURCES
from read_side.http.router import Router
from read_side.views import Views
from shared.auth.principal import READ
from shared.http.app import assemble, index_route
from shared.http.containers import Register
from shared.http.middleware.auth import Policy

_WAITERS = Gauge("muster_read_waiters", "Requests that wait for a projection to come further.", ("projection",))


def read_api(*registers: Register) -> ASGIApp:
    """
    The read API on the adapters that `registers` name; what is registered last wins.

    Needs the port of each resource, and opens it; and an `Authentication`.
    """
    return assemble(
        handlers=[index_route(described := document()), *_body_handlers(), *map(_mounted, _roots())],
        registers=registers,
        problems=PROBLEMS,
        document=described,
        policy=Policy(READ, open=frozenset({"/"})),
        lifespan=[_open_views],
    )


def _body_handlers() -> list[Any]:
    return [route.handler for resource in RESOURCES for route in resource.body_routes]


def _roots() -> list[str]:
    """The first word of each path."""
    return sorted({f"/{route.path.split('/')[1]}" for resource in RESOURCES for route in resource.routes})


def _mounted(path: str) -> Any:
    @asgi(path, is_mount=True, copy_scope=False)
    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        await scope["litestar_app"].state["router"](scope, receive, send)

    return application


@asynccontextmanager
async def _open_views(app: Litestar) -> AsyncIterator[None]:
    async with svcs.Container(app.state.registry) as container, AsyncExitStack() as stack:
        opened: dict[type[Any], Views] = {}
        for resource in RESOURCES:
            views: Views = await stack.enter_async_context(await container.aget_abstract(resource.port))
            _WAITERS.labels(resource.name).set_function(partial(_waiting, views))
            opened[resource.port] = views
        app.state["router"] = Router(RESOURCES, opened)
        yield


def _waiting(views: Views) -> float:
    return views.freshness.waiting
