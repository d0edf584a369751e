"""The read API."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, NamedTuple

import svcs
from litestar import Litestar
from litestar.types import ASGIApp, Receive, Scope, Send

from read_side.http.documentation import document
from read_side.http.feed.asyncapi import ASYNCAPI, asyncapi, asyncapi_route
from read_side.http.problems import PROBLEMS
from read_side.http.resource import Resource
from read_side.http.resources import RESOURCES
from read_side.http.resources.change_stream import STREAM, ChangeStreams
from read_side.http.resources.directory import Exports
from read_side.http.router import Router
from read_side.views import Views
from shared.auth.principal import READ
from shared.http.app import Answer, assemble, index_route
from shared.http.containers import Register
from shared.http.middleware.auth import PagePolicy, Policy
from shared.http.parsing.bodies import BodyReader
from shared.problems import Problem
from shared.server.shutdown import on_stop_signal


class Front(NamedTuple):
    """
    The pages in front of the API.

    :param answer: answers browsers at `/`.
    :param on_refusal: the exception handlers of it.
    :param handlers: of the other pages.
    :param open: their paths that need no token.
    :param pages: how browsers come to them.
    """

    answer: Answer
    on_refusal: Any
    handlers: Sequence[Any]
    open: frozenset[str]
    pages: PagePolicy
    problems: Sequence[Problem]


def read_api(*registers: Register, front: Front | None = None) -> ASGIApp:
    """
    The read API on the adapters that `registers` name; what is registered last wins.

    Needs the port of each resource, and opens it; and an `Authentication`.
    """
    reads, described = DirectReads(RESOURCES), document()
    root = index_route(described, front.answer, front.on_refusal) if front else index_route(described)
    return assemble(
        handlers=[
            root,
            asyncapi_route(asyncapi(described, stream=STREAM.path)),
            *_streams(),
            *(front.handlers if front else ()),
        ],
        registers=(_register_streams, *registers),
        problems=(*PROBLEMS, *(front.problems if front else ())),
        document=described,
        policy=Policy(READ, open=_OPEN | front.open, pages=front.pages) if front else Policy(READ, open=_OPEN),
        lifespan=[reads.lifespan, _end_streams],
        inside=reads.around,
    )


_OPEN = frozenset({"/", ASYNCAPI})


def _streams() -> list[Any]:
    return [route.handler for resource in RESOURCES for route in resource.streams]


def _register_streams(registry: svcs.Registry) -> None:
    registry.register_value(ChangeStreams, ChangeStreams())
    registry.register_value(Exports, Exports())


@asynccontextmanager
async def _end_streams(app: Litestar) -> AsyncIterator[None]:
    """End the answers that are sent bit by bit, as soon as the process is to stop."""
    services = svcs.Container(app.state.registry)
    kinds = (services.get(ChangeStreams).places, services.get(Exports).places)

    def end() -> None:
        for places in kinds:
            places.ended.set()

    with on_stop_signal(end):
        yield
    end()


class DirectReads:
    """
    Leads what reads past the framework, whose routing and calling of a handler costs more than all of the rest.

    It looks at the path as it was sent, because a key may contain a slash.
    """

    def __init__(self, resources: Sequence[Resource]) -> None:
        self._resources = resources
        self._roots = {route.path.encode().split(b"/")[1] for each in resources for route in each.routes}
        self._streams = {route.path.encode() for each in resources for route in each.streams}
        self._router: Router

    @asynccontextmanager
    async def lifespan(self, app: Litestar) -> AsyncIterator[None]:
        """Open the views of the resources as long as an application runs."""
        async with svcs.Container(app.state.registry) as container, AsyncExitStack() as stack:
            opened: dict[type[Any], Any] = {BodyReader: app.state.bodies}
            for resource in self._resources:
                views: Views = await stack.enter_async_context(await container.aget_abstract(resource.port))
                opened[resource.port] = views
            self._router = app.state.reads = Router(self._resources, opened)
            yield

    def around(self, app: ASGIApp) -> ASGIApp:
        """Make what answers reads by itself, and everything else by an application."""

        async def answer(scope: Scope, receive: Receive, send: Send) -> None:
            path: bytes = scope.get("raw_path", b"/")  # a lifespan has none
            if path.split(b"/", 2)[1] in self._roots and path not in self._streams:
                await self._router(scope, receive, send)  # type: ignore[arg-type] # it is HTTP
            else:
                await app(scope, receive, send)

        return answer
