"""
How a request finds what answers it.

It works on the path as it was sent, because a key may contain a slash. What goes wrong is answered as the framework
would.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from operator import itemgetter
from typing import Any, NamedTuple, TypeAlias

from litestar.types import HTTPScope, Receive, Send

from read_side.http.endpoints import Endpoint, Forbidden
from read_side.http.problems import UNANSWERED, rejection
from read_side.http.resource import Opened, ReadRoute, Resource
from read_side.http.responses import DocumentResponse, send_response
from read_side.views import Variant
from shared.auth.principal import PRIVATE
from shared.http.middleware.auth import caller
from shared.http.parsing.negotiation import require_acceptable
from shared.http.problems import NOT_FOUND, Rejection, require_method, send_error

Answering: TypeAlias = tuple[ReadRoute, Endpoint]
"""A route, and what answers it."""


class Router:
    """The application that answers every route of all resources."""

    def __init__(self, resources: Sequence[Resource], opened: Opened) -> None:
        self._full = _Table(_endpoints(resources, opened, "full"))
        self._public = _Table(_endpoints(resources, opened, "public"))

    async def __call__(self, scope: HTTPScope, receive: Receive, send: Send) -> None:
        try:
            endpoint, response = await self._answer(scope, receive)
        except Exception as error:  # noqa: BLE001 - a defect is answered, and logged
            await send_error(error, scope, send)
        else:
            is_news = await send_response(response, scope, send)
            (endpoint.outcomes.hits if is_news else endpoint.outcomes.unchanged).inc(response.records)

    async def read(self, scope: HTTPScope, path: bytes, query: bytes) -> DocumentResponse:
        """
        Return what the caller of one request would be answered by another, for a page that is made of it.

        :raises Rejection: likewise.
        """
        asked: Any = {**scope, "method": "GET", "raw_path": path, "query_string": query, "headers": ()}
        endpoint, response = await self._answer(asked, _no_body)
        endpoint.outcomes.hits.inc(response.records)
        return response

    async def _answer(self, scope: HTTPScope, receive: Receive) -> tuple[Endpoint, DocumentResponse]:
        table = self._full if PRIVATE in caller(scope).scopes else self._public
        if (found := table.find(scope["raw_path"].split(b"/"))) is None:
            raise Rejection(NOT_FOUND, "Nothing has this address")
        (route, endpoint), segments = found
        scope["muster_route"] = route.path  # type: ignore[typeddict-unknown-key] # see shared.http.requests
        require_method(scope, route.method, allow="GET, HEAD" if route.method == "GET" else route.method)
        require_acceptable(scope, "application/json")
        try:
            return endpoint, await endpoint.answer(scope, segments, receive)
        except UNANSWERED as error:
            raise rejection(error) from error


async def _no_body() -> Any:
    raise AssertionError("what is read for a page has no body")


def _endpoints(resources: Sequence[Resource], opened: Opened, variant: Variant) -> Iterator[Answering]:
    for resource in resources:
        for route in resource.routes:
            is_forbidden = route.is_private and variant == "public"
            endpoint = Forbidden(route.path) if is_forbidden else route.endpoint(opened, resource.port, variant)
            yield route, endpoint


class _Shape(NamedTuple):
    """
    Paths that have words and keys at the same positions.

    :param words: takes the words out of a path.
    :param keys: the positions of its keys.
    :param answering: what answers them, by their words.
    """

    words: Callable[[Sequence[bytes]], Any]
    keys: Sequence[int]
    answering: dict[Any, Answering]


class _Table:
    """Finds what answers a path by the words in it, those of the fewest keys first."""

    def __init__(self, answering: Iterable[Answering]) -> None:
        shapes: dict[tuple[int, ...], _Shape] = {}
        for route, endpoint in answering:
            parts = route.path.encode().split(b"/")
            keys = [nth for nth, part in enumerate(parts) if part.startswith(b"{")]
            words = itemgetter(*(nth for nth in range(len(parts)) if nth not in keys))
            shape = shapes.setdefault((len(parts), *keys), _Shape(words, keys, {}))
            shape.answering[words(parts)] = route, endpoint
        self._shapes: dict[int, list[_Shape]] = {}
        for (length, *_), shape in sorted(shapes.items(), key=lambda item: len(item[0])):
            self._shapes.setdefault(length, []).append(shape)

    def find(self, path: Sequence[bytes]) -> tuple[Answering, Sequence[bytes]] | None:
        """Return what answers a path, and the segments of it that are its keys."""
        for words, keys, answering in self._shapes.get(len(path), ()):
            if (found := answering.get(words(path))) is not None:
                segments = [path[nth] for nth in keys]
                if b"" not in segments:
                    return found, segments
        return None
