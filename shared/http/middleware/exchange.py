"""What every request gets: an id, a count, a measured time, HEAD wherever there is GET, and no slash at its end."""

import re
import time
from contextlib import AbstractAsyncContextManager
from functools import lru_cache, partial
from typing import Any

from litestar import Litestar
from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send
from prometheus_client import Counter, Histogram
from structlog.contextvars import bind_contextvars, reset_contextvars
from uuid_utils import uuid7

from shared.http.middleware.compression import compressing, is_large
from shared.http.middleware.cors import CorsMiddleware
from shared.http.requests import header

_WELL_FORMED = re.compile(rb"[A-Za-z0-9._:/+=-]{1,128}").fullmatch
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_REQUESTS = Counter("muster_http_requests_total", "Requests answered.", ("method", "route", "status"))
_SECONDS = Histogram(
    "muster_http_request_seconds",
    "Time from the first byte of the request to the last of the answer.",
    ("route",),
    buckets=(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)


class RequestScope:
    """The outermost layer of each service."""

    def __init__(self, app: Litestar, inner: ASGIApp, *, cors: CorsMiddleware) -> None:
        """
        :param inner: the layer that answers the requests to `app`.
        :param cors: that around it, for the services that need it.
        """
        self._app = app
        self._inner = inner
        self._cors = cors

    def lifespan(self) -> AbstractAsyncContextManager[None]:
        """Run the application without a server."""
        return self._app.lifespan()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP:
            await self._app(scope, receive, send)
            return
        exchange = _Exchange(scope, send)
        # Not `bound_contextvars`, which looks through the whole context: it would cost as much as the rest of this.
        bound = bind_contextvars(request_id=exchange.id)
        try:
            answer = self._cors if self._cors.is_needed else self._inner
            await answer(scope, receive, exchange.send)
        finally:
            reset_contextvars(**bound)
            exchange.measure()


class _Exchange:
    """One request and its answer."""

    __slots__ = ("_end", "_method", "_scope", "_send", "_start", "_status", "id")

    def __init__(self, scope: Any, send: Send) -> None:
        self._start, self._end = time.perf_counter(), 0.0
        self._scope = scope
        self._send = send
        self._status = 0
        self._method = scope["method"]
        self.id = scope["muster_request_id"] = _sent_id(scope) or uuid7().hex
        if self._method == "HEAD":
            scope["method"], scope["muster_head"] = "GET", True
            self._send = partial(_send_head, send)
        if scope["raw_path"].endswith(b"/"):
            _strip_slashes(scope)

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._status = message["status"]
            if is_large(message):
                self._send = compressing(message, self._scope, self._send)
            headers = message["headers"] = [*message["headers"], (b"request-id", self.id.encode())]
            if "muster_caller" not in self._scope:
                headers.append((b"connection", b"close"))  # only a client that is known may keep one
        await self._send(message)
        if not message.get("more_body", True):
            self._end = time.perf_counter()  # a body that is still coming is read on from here

    def measure(self) -> None:
        route = self._scope.get("muster_route") or self._scope.get("path_template") or "none"
        method = self._method if self._method in _METHODS else "other"
        count, seconds = _meters(method, route, self._status)
        count.inc()
        seconds.observe((self._end or time.perf_counter()) - self._start)


async def _send_head(send: Send, message: Message) -> None:
    if message["type"] == "http.response.body":
        message["body"] = b""
    await send(message)


def _strip_slashes(scope: Any) -> None:
    """Take an address with slashes at its end for the same without: clients put them together either way."""
    path = scope["raw_path"].rstrip(b"/") or b"/"
    if slashes := len(scope["raw_path"]) - len(path):
        scope["raw_path"], scope["path"], scope["muster_slashes"] = path, scope["path"][:-slashes], slashes


@lru_cache(maxsize=1_024)  # routes are templates: there are few
def _meters(method: str, route: str, status: int) -> tuple[Counter, Histogram]:
    return _REQUESTS.labels(method, route, str(status)), _SECONDS.labels(route)


def _sent_id(scope: Any) -> str | None:
    sent = header(scope, b"request-id")
    return sent if sent and _WELL_FORMED(sent.encode("latin-1")) else None
