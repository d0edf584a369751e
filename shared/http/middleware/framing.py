"""Where a request ends: headers that have one meaning, and a body that is read on after an early answer."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from typing import Any

import svcs
from litestar import Litestar
from litestar.types import ASGIApp, Receive, ReceiveMessage, Scope, Send

from shared.http.limits import HttpLimits
from shared.http.problems import BAD_REQUEST, UNSUPPORTED_MEDIA_TYPE, Rejection, send_rejection

_ONCE = frozenset(
    b"authorization content-encoding content-length content-range content-type expect host idempotency-key if-match "
    b"transfer-encoding".split()
)
"""Headers of which several would have to be one list, and of which one that is not obeyed changes what was meant."""

_OF_A_BODY = frozenset({b"content-encoding", b"content-range", b"transfer-encoding"})

_is_host = re.compile(rb"[A-Za-z0-9._~%:\[\]!$&'()*+,;=-]+").fullmatch
_MAY_LEAVE_OUT_HOST = frozenset({"1", "1.0"})
"""Versions of HTTP; granian writes the first."""


class MessageFraming:
    """The layer that refuses requests with two meanings, and closes no connection while its client still sends."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._limits = HttpLimits()

    @asynccontextmanager
    async def lifespan(self, app: Litestar) -> AsyncIterator[None]:
        """Take the limits from the registry of an application."""
        async with svcs.Container(app.state.registry) as container:
            self._limits = container.get(HttpLimits)
        yield

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        try:
            sent = _headers_once(scope)
        except Rejection as rejection:
            body = IncomingBody(receive)
            return self._and_read_on(send_rejection(rejection, scope, send), body)
        if not _announces_body(sent):
            return self._app(scope, receive, send)
        body = IncomingBody(receive, is_held_back=b"expect" in sent)
        return self._and_read_on(self._app(scope, body.receive, send), body)

    async def _and_read_on(self, answer: Awaitable[None], body: "IncomingBody") -> None:
        await answer
        if body.is_expected:
            await body.read_on(self._limits)


class IncomingBody:
    """
    A request's body as it comes.

    :param is_held_back: its client sends it once it is read, not before (RFC 9110, section 10.1.1).
    """

    __slots__ = ("_receive", "is_expected")

    def __init__(self, receive: Receive, *, is_held_back: bool = False) -> None:
        self._receive = receive
        self.is_expected = not is_held_back

    async def receive(self) -> ReceiveMessage:
        message = await self._receive()
        self.is_expected = bool(message.get("more_body"))
        return message

    async def read_on(self, limits: HttpLimits) -> None:
        """
        Read what is still coming, once the request is answered (RFC 9112, section 9.6).

        A connection that is closed with something unread is reset, and the answer may be lost on its way.
        """
        left = limits.linger_bytes
        try:
            async with asyncio.timeout(limits.linger):
                while self.is_expected and left > 0:
                    message: Any = await self.receive()
                    left -= len(message.get("body", b""))
        except TimeoutError:
            return


def _headers_once(scope: Scope) -> dict[bytes, bytes]:
    """
    Return the headers, once those that decide what a request is leave nothing open.

    :raises Rejection: 400 or 415, they do.
    """
    headers: Any = scope["headers"]
    sent = dict(headers)
    if len(sent) < len(headers):
        _require_once([name for name, _ in headers if name in _ONCE])
    # Where none was sent, granian names the host of the address, if there is one in it.
    if not _is_host(sent.get(b"host", b"")) and scope["http_version"] not in _MAY_LEAVE_OUT_HOST:
        raise Rejection(BAD_REQUEST, "Host has to be sent, and to name a host")
    if not sent.keys().isdisjoint(_OF_A_BODY):
        _require_plain_body(sent)
    return sent


def _require_once(names: list[bytes]) -> None:
    if repeated := next((name for name in names if names.count(name) > 1), None):
        raise Rejection(BAD_REQUEST, f"{repeated.decode().title()} was sent more than once")


def _require_plain_body(sent: dict[bytes, bytes]) -> None:
    """:raises Rejection: the body would be another one if its headers were obeyed."""
    if sent.get(b"transfer-encoding", b"chunked").strip().lower() != b"chunked":
        raise Rejection(BAD_REQUEST, "A body is sent chunked, or with its length: there is no other transfer coding")
    if b"content-range" in sent:
        raise Rejection(BAD_REQUEST, "A body is sent as a whole, without Content-Range")
    if sent.get(b"content-encoding", b"identity").strip().lower() not in {b"identity", b""}:
        headers = {"Accept-Encoding": "identity"}
        raise Rejection(UNSUPPORTED_MEDIA_TYPE, "A body is sent as it is, without Content-Encoding", headers=headers)


def _announces_body(sent: dict[bytes, bytes]) -> bool:
    return b"transfer-encoding" in sent or sent.get(b"content-length", b"0") != b"0"
