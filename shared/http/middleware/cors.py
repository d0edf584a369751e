"""Browsers of other origins: which may read answers (WHATWG Fetch, CORS protocol)."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import svcs
from litestar import Litestar
from litestar.types import ASGIApp, Receive, Send

from shared.http.requests import header, with_headers
from shared.settings import Settings
from shared.urls.http import AllowedOrigins

_ASKED = (
    "Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, Last-Event-ID, Muster-Min-Position, "
    "Request-Id, traceparent, tracestate"
)
_EXPOSED = (
    "Allow, ETag, Idempotency-Replayed, Link, Muster-Position, RateLimit, RateLimit-Policy, Request-Id, Retry-After, "
    "WWW-Authenticate"
)
_PREFLIGHT = [
    (b"access-control-allow-methods", b"GET, HEAD, POST"),
    (b"access-control-allow-headers", _ASKED.encode()),
    (b"access-control-max-age", b"7200"),
]
_VARY = (b"vary", b"origin")


class CorsMiddleware:
    """Answers what browsers ask before a request, which needs no token, and lets them read what is answered to it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._allowed = AllowedOrigins()
        self.is_needed = False
        """Whether there is any page of another origin to tell."""

    @asynccontextmanager
    async def lifespan(self, app: Litestar) -> AsyncIterator[None]:
        """Allow the origins that are registered, if any are."""
        self.is_needed = AllowedOrigins in app.state.registry
        if self.is_needed:
            self._allowed = svcs.Container(app.state.registry).get(AllowedOrigins)
        yield

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        origin = header(scope, b"origin")
        if origin is None or not self._allowed.allow(origin):
            await self._app(scope, receive, with_headers(send, [_VARY]))
            return
        headers = [(b"access-control-allow-origin", origin.encode("latin-1")), _VARY]
        if scope["method"] == "OPTIONS" and header(scope, b"access-control-request-method"):
            await send({"type": "http.response.start", "status": 204, "headers": [*headers, *_PREFLIGHT]})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
            return
        headers.append((b"access-control-expose-headers", _EXPOSED.encode()))
        await self._app(scope, receive, with_headers(send, headers))


def register_origins(registry: svcs.Registry, settings: Settings) -> None:
    """Register the origins that the settings allow."""
    if settings.cors_origins:
        registry.register_value(AllowedOrigins, settings.cors_origins)
