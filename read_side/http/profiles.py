"""
`GET /profiles/…`: one record by one key.

This is the hot path. It is a mounted ASGI application, because routing and calling an ordinary handler costs more than
all of the rest; it works on the path as it was sent, because an external id may contain a slash.
"""

import re
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from urllib.parse import unquote_to_bytes

from litestar.types import HTTPScope, Receive, Send
from prometheus_client import Counter

from read_side.freshness import ProjectionBehind
from read_side.http.conditions import is_known, minimum_position
from read_side.http.problems import profile_not_found, rejection
from read_side.views import Answer, ProfileViews, Unreadable
from shared.http.negotiation import require_acceptable
from shared.http.problems import INVALID, METHOD_NOT_ALLOWED, NOT_FOUND, FieldError, Rejection
from shared.records import Sealed

BY_ID = "/profiles/{id}"
BY_HANDLE = "/profiles/by-handle/{handle}"
BY_EMAIL = "/profiles/by-email/{email}"
BY_EXTERNAL_ID = "/profiles/by-external-id/{external_id}"

CACHE_CONTROL = "private, no-cache"

_READS = Counter("muster_reads_total", "Look-ups answered.", ("look_up", "outcome"))
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}").fullmatch
_JSON = (b"content-type", b"application/json")
_CACHE = (b"cache-control", CACHE_CONTROL.encode())

Find = Callable[[str], Awaitable[Answer]]


class Route:
    """A template whose last segment is the key."""

    def __init__(self, template: str, find: Find) -> None:
        self.template = template
        self.find = find
        self.hits = _READS.labels(template, "hit")
        self.misses = _READS.labels(template, "miss")

    def key(self, segment: bytes) -> str:
        """
        Decode the key.

        :raises Rejection: 422, nobody can have it.
        """
        try:
            return unquote_to_bytes(segment).decode()
        except UnicodeDecodeError:
            raise self.invalid("must be UTF-8, percent-encoded") from None

    def invalid(self, what: str) -> Rejection:
        name = self.template.rpartition("/")[2]
        return Rejection(INVALID, f"Not valid: {name}", errors=[FieldError(name, what)])


class IdRoute(Route):
    """The template whose key is an account's id."""

    def key(self, segment: bytes) -> str:
        account_id = super().key(segment).lower()
        if not _UUID(account_id):
            raise self.invalid("must be a UUID")
        return account_id


class ProfileLookUps:
    """The application mounted at `/profiles`."""

    def __init__(self, views: ProfileViews) -> None:
        self._freshness = views.freshness
        self._by_id = IdRoute(BY_ID, views.by_id)
        self._by_key: Mapping[bytes, Route] = {
            b"by-handle": Route(BY_HANDLE, views.by_handle),
            b"by-email": Route(BY_EMAIL, views.by_email),
            b"by-external-id": Route(BY_EXTERNAL_ID, views.by_external_id),
        }

    async def __call__(self, scope: HTTPScope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - so ASGI wants it
        route, segment = self._routed(scope)
        scope["muster_route"] = route.template  # type: ignore[typeddict-unknown-key] # see shared.http.requests
        _require_get(scope)
        require_acceptable(scope, "application/json")
        answer = await self._read(route, route.key(segment), minimum_position(scope))
        if answer.document is None:
            route.misses.inc()
            raise profile_not_found(position=answer.position)
        route.hits.inc()
        await _send_document(answer.position, answer.document, scope, send)

    def _routed(self, scope: HTTPScope) -> tuple[Route, bytes]:
        match scope["raw_path"].split(b"/"):
            case [b"", b"profiles", segment] if segment:
                return self._by_id, segment
            case [b"", b"profiles", by, segment] if segment and by in self._by_key:
                return self._by_key[by], segment
            case _:
                raise Rejection(NOT_FOUND, f"No {_path(scope)} here")

    async def _read(self, route: Route, key: str, minimum: int) -> Answer:
        try:
            if minimum:
                return await self._freshness.reach(minimum, partial(route.find, key))
            return await route.find(key)
        except (Unreadable, ProjectionBehind) as error:
            raise rejection(error) from error


def _require_get(scope: HTTPScope) -> None:
    if scope["method"] != "GET":
        detail = f"{scope['method']} is not allowed for {_path(scope)}"
        raise Rejection(METHOD_NOT_ALLOWED, detail, headers={"Allow": "GET, HEAD"})


def _path(scope: HTTPScope) -> str:
    """The path as it was sent; of `scope["path"]` the mount has cut its own."""
    return scope["raw_path"].decode("latin-1")


async def _send_document(position: int, document: Sealed, scope: HTTPScope, send: Send) -> None:
    etag = document.etag
    headers = [(b"muster-position", b"%d" % position), (b"etag", etag.encode()), _CACHE]
    if is_known(scope, etag):
        await send({"type": "http.response.start", "status": 304, "headers": headers})
        await send({"type": "http.response.body", "body": b"", "more_body": False})
        return
    headers += [_JSON, (b"content-length", b"%d" % len(document.body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": document.body, "more_body": False})
