"""Assemble a service: problems, documentation, health, request ids and the container of services."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import msgspec
import svcs
from litestar import Litestar, Response, get
from litestar.di import Provide
from litestar.params import FromPath
from litestar.types import ASGIApp

from shared.http.containers import Register, provide_services, registry_lifespan
from shared.http.docs.routes import Docs
from shared.http.health import HEALTH_HANDLERS
from shared.http.limits import HttpLimits
from shared.http.middleware.auth import AUTH_PROBLEMS, AuthMiddleware, Inside, PagePolicy, Policy
from shared.http.middleware.cors import CorsMiddleware
from shared.http.middleware.exchange import RequestScope
from shared.http.middleware.framing import MessageFraming
from shared.http.pages.answers import PAGE_HEADERS
from shared.http.pages.documentation import (
    index,
    index_page,
    linked,
    problem_page,
    problems_page,
    read_icon,
)
from shared.http.pages.sign_in_answers import CookiePolicy
from shared.http.pages.site_map import SiteMap
from shared.http.parsing.bodies import BodyReader
from shared.http.parsing.negotiation import prefers_html
from shared.http.problems import COMMON_PROBLEMS, EXCEPTION_HANDLERS, NOT_FOUND, Rejection
from shared.http.requests import AnyRequest, root_of
from shared.observability import tracing
from shared.problems import Problem

Lifespan = Callable[[Litestar], AbstractAsyncContextManager[None]]


def assemble(
    *,
    handlers: Sequence[Any],
    registers: Sequence[Register],
    problems: Iterable[Problem],
    document: Mapping[str, Any],
    policy: Policy,
    readers: PagePolicy | None = None,
    lifespan: Sequence[Lifespan] = (),
    inside: Inside = lambda app: app,
) -> ASGIApp:
    """
    Return the ASGI application of a service.

    :param registers: fill the registry, in this order; a test adds its own behind the service's.
    :param problems: those the service adds to the common ones.
    :param document: its OpenAPI document.
    :param policy: what a caller needs; callers are known by the `Authentication` that is registered.
    :param readers: how browsers come to the documentation; by default, as to the pages.
    :param lifespan: what runs as long as the service does, with the registry at `app.state.registry`.
    :param inside: makes what answers known callers of the framework's application, which it may pass by.
    """
    authenticated = AuthMiddleware(policy, inside)
    framed = MessageFraming(authenticated)
    cors = CorsMiddleware(framed)
    documented = (*COMMON_PROBLEMS, *AUTH_PROBLEMS, *problems)
    docs = Docs(document, readers or policy.pages, authenticated)
    app = Litestar(
        [*handlers, *HEALTH_HANDLERS, *_documents(document), *docs.handlers, *_problem_pages(documented)],
        dependencies={"services": Provide(provide_services)},
        exception_handlers=EXCEPTION_HANDLERS,
        lifespan=[
            registry_lifespan(_defaults, *registers),
            _read_bodies,
            framed.lifespan,
            authenticated.lifespan,
            cors.lifespan,
            *lifespan,
        ],
        on_shutdown=[tracing.flush],
        logging_config=None,
        openapi_config=None,
    )
    return RequestScope(app, framed, cors=cors)


def _defaults(registry: svcs.Registry) -> None:
    registry.register_value(HttpLimits, HttpLimits())
    registry.register_value(CookiePolicy, CookiePolicy())
    registry.register_value(SiteMap, SiteMap())


@asynccontextmanager
async def _read_bodies(app: Litestar) -> AsyncIterator[None]:
    async with svcs.Container(app.state.registry) as container:
        app.state.bodies = BodyReader(container.get(HttpLimits))
    yield


Answer = Callable[[AnyRequest], Awaitable[Response[bytes]]]
"""Answers a browser."""


def index_route(document: Mapping[str, Any], for_people: Answer | None = None, on_refusal: Any = None) -> Any:
    """
    Make the route of `/`: what there is, for people and for programs.

    :param for_people: answers browsers, instead of a page that says the same as the index.
    :param on_refusal: the exception handlers of that.
    """
    as_json, as_page = msgspec.json.encode(index(document)), index_page(document)

    @get("/", exception_handlers=on_refusal)
    async def root(request: AnyRequest) -> Response[bytes]:
        if not prefers_html(request.scope):
            return Response(as_json, media_type="application/json", headers=_BY_ACCEPT)
        if for_people:
            return await for_people(request)
        return _page(as_page, request, headers=_BY_ACCEPT)

    return root


_BY_ACCEPT = {"Vary": "accept"}


def _page(page: bytes, request: AnyRequest, *, headers: Mapping[str, str] | None = None) -> Response[bytes]:
    about = {**PAGE_HEADERS, **(headers or {})}
    return Response(linked(page, root_of(request.scope)), media_type="text/html", headers=about)


def _documents(document: Mapping[str, Any]) -> list[Any]:
    as_json, icon = msgspec.json.encode(document), read_icon()

    @get("/openapi.json")
    async def openapi_json() -> Response[bytes]:
        return Response(as_json, media_type="application/json")

    @get("/favicon.ico")
    async def favicon() -> Response[bytes]:
        return Response(icon, media_type="image/svg+xml", headers={"Cache-Control": "max-age=86400"})

    return [openapi_json, favicon]


def _problem_pages(problems: Sequence[Problem]) -> list[Any]:
    pages = {problem.name: problem_page(problem) for problem in problems}
    all_of_them = problems_page(problems)

    @get("/problems")
    async def all_problems(request: AnyRequest) -> Response[bytes]:
        return _page(all_of_them, request)

    @get("/problems/{name:str}")
    async def one_problem(name: FromPath[str], request: AnyRequest) -> Response[bytes]:
        if name not in pages:
            raise Rejection(NOT_FOUND, f"There is no problem called {name!r}")
        return _page(pages[name], request)

    return [all_problems, one_problem]
