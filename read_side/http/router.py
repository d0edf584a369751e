"""
How a question finds who answers it.

What reads is a mounted ASGI application, because routing and calling an ordinary handler costs more than all of the
rest; it works on the path as it was sent, because a key may contain a slash.
"""

import re
from collections.abc import Callable, Sequence
from typing import Protocol
from urllib.parse import unquote_to_bytes

from litestar.types import HTTPScope, Receive, Send
from prometheus_client import Counter

from read_side.http.parameters import NOT_UTF_8, Malformed, Parse, invalid
from read_side.http.problems import UNANSWERED, rejection
from read_side.http.responses import DocumentResponse, send_response
from shared.auth.principal import PRIVATE
from shared.http.auth_middleware import caller, require_scope
from shared.http.negotiation import require_acceptable
from shared.http.problems import METHOD_NOT_ALLOWED, NOT_FOUND, Rejection
from shared.problems import FieldError

_READS = Counter(
    "muster_reads_total", "Questions answered; a batch is as many as it finds and misses.", ("look_up", "outcome")
)
_names = re.compile(r"{(\w+)}").findall


class Outcomes:
    """Counts the answers of a template: something was there, which the reader had already or not, or nothing was."""

    def __init__(self, template: str) -> None:
        self.hits = _READS.labels(template, "hit")
        self.unchanged = _READS.labels(template, "unchanged")
        self.misses = _READS.labels(template, "miss")


class PathKeys:
    """
    The keys in a path.

    :param parse: for each of the names in the template, in its order.
    """

    def __init__(self, template: str, *parse: Parse[str]) -> None:
        self._names, self._parse = tuple(_names(template)), parse

    def of(self, segments: Sequence[bytes]) -> list[str]:
        """:raises Rejection: 422, nobody can have such a key."""
        return [*map(_key, segments, self._names, self._parse)]


def _key(segment: bytes, name: str, parse: Parse[str]) -> str:
    try:
        return parse(unquote_to_bytes(segment).decode())
    except UnicodeDecodeError:
        raise invalid(FieldError(f"{{{name}}}", NOT_UTF_8)) from None
    except Malformed as malformed:
        raise invalid(FieldError(f"{{{name}}}", str(malformed))) from None


class Route(Protocol):
    """Answers all addresses of one template."""

    template: str
    outcomes: Outcomes

    async def answer(self, scope: HTTPScope, segments: Sequence[bytes]) -> DocumentResponse:
        """
        Match a request.

        :param segments: the keys in its path, as they were sent.
        :raises Rejection: it is not valid, or there is nothing to tell.
        :raises UNANSWERED: the view does not answer.
        """


Destination = tuple[Route, Sequence[bytes]]
"""A route, and the segments of the path that are its keys."""


Find = Callable[[list[bytes]], Destination | None]
"""Finds the route for a path that is split at its slashes."""


class Forbidden:
    """Answers those who may not see what only some may: nothing, not even whether it is there."""

    def __init__(self, template: str) -> None:
        self.template = template
        self.outcomes = Outcomes(template)

    async def answer(self, scope: HTTPScope, segments: Sequence[bytes]) -> DocumentResponse:  # noqa: ARG002 - whatever they are
        require_scope(scope, PRIVATE)
        raise AssertionError("a caller who may see it has another route")


class Router:
    """
    The application mounted at one path.

    :param find: finds routes.
    :param public: the same for those who may see only what everybody may.
    """

    def __init__(self, find: Find, *, public: Find | None = None) -> None:
        self._find, self._public = find, public or find

    async def __call__(self, scope: HTTPScope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - so ASGI wants it
        find = self._find if PRIVATE in caller(scope).scopes else self._public
        if (routed := find(scope["raw_path"].split(b"/"))) is None:
            raise Rejection(NOT_FOUND, "Nothing has this address")
        route, segments = routed
        scope["muster_route"] = route.template  # type: ignore[typeddict-unknown-key] # see shared.http.requests
        _require_get(scope)
        require_acceptable(scope, "application/json")
        try:
            reply = await route.answer(scope, segments)
        except UNANSWERED as error:
            raise rejection(error) from error
        is_news = await send_response(reply, scope, send)
        (route.outcomes.hits if is_news else route.outcomes.unchanged).inc()


def _require_get(scope: HTTPScope) -> None:
    if scope["method"] != "GET":
        detail = f"{scope['method']} is not allowed here"
        raise Rejection(METHOD_NOT_ALLOWED, detail, headers={"Allow": "GET, HEAD"})
