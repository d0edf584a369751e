"""The read API."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import svcs
from litestar import Litestar, asgi
from litestar.types import ASGIApp, Receive, Scope, Send
from prometheus_client import Gauge

from read_side.http.documentation import document
from read_side.http.problems import PROBLEMS
from read_side.http.resources.batch import batch_get
from read_side.http.resources.groups import group_routes
from read_side.http.resources.profiles import profile_routes
from read_side.http.resources.stats import stats_routes
from read_side.views import ActivityViews, GroupViews, ProfileViews, StatsViews, Views
from shared.auth.principal import READ
from shared.http.app import assemble
from shared.http.auth_middleware import Policy
from shared.http.containers import Register

_WAITERS = Gauge("muster_read_waiters", "Requests that wait for a projection to come further.", ("projection",))


def read_api(*registers: Register) -> ASGIApp:
    """
    The read API on the adapters that `registers` name; what is registered last wins.

    Needs `ProfileViews`, `GroupViews`, `ActivityViews` and `StatsViews`, and opens them; and an `Authentication`.
    """
    return assemble(
        handlers=[batch_get, *map(_mounted, ("/profiles", "/groups", "/stats"))],
        registers=registers,
        problems=PROBLEMS,
        document=document(),
        policy=Policy(READ),
        lifespan=[_open_views],
    )


def _mounted(path: str) -> Any:
    @asgi(path, is_mount=True, copy_scope=False)
    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        await scope["litestar_app"].state[path](scope, receive, send)

    return application


@asynccontextmanager
async def _open_views(app: Litestar) -> AsyncIterator[None]:
    async with svcs.Container(app.state.registry) as container, AsyncExitStack() as stack:

        async def opened(kind: type[Any], projection: str) -> Any:
            views: Views = await stack.enter_async_context(await container.aget_abstract(kind))
            _WAITERS.labels(projection).set_function(lambda: views.freshness.waiting)
            return views

        activity, groups = await opened(ActivityViews, "activity"), await opened(GroupViews, "groups")
        app.state["/profiles"] = profile_routes(await opened(ProfileViews, "profiles"), activity, groups)
        app.state["/groups"] = group_routes(groups)
        app.state["/stats"] = stats_routes(await opened(StatsViews, "stats"))
        yield
