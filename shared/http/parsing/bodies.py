"""Bodies of requests: how they come, and what they say of themselves."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

from litestar.types import Receive, Scope

from shared.http.limits import HttpLimits
from shared.http.problems import TOO_SLOW, UNSUPPORTED_MEDIA_TYPE, Rejection
from shared.http.requests import AnyRequest, header
from shared.problems import OVERLOADED, TOO_LARGE

MAX_BODY_BYTES = 1024 * 1024

_CHARSET = re.compile(r"charset\s*=\s*\"?([^\s;\"]*)")
_UTF_8 = frozenset({"utf-8", "utf8", "us-ascii"})


def require_media_type(scope: Scope, expected: str) -> None:
    """:raises Rejection: 415, the body is said to be something else, or in another character set."""
    media_type, _, parameters = (header(scope, b"content-type") or "").lower().partition(";")
    if (sent := media_type.strip()) != expected:
        raise Rejection(UNSUPPORTED_MEDIA_TYPE, f"The body must be {expected}, not {sent or 'unlabelled'}")
    if not _UTF_8.issuperset(_CHARSET.findall(parameters)):
        raise Rejection(UNSUPPORTED_MEDIA_TYPE, "The body must be in UTF-8")


class ClientGone(Exception):
    """The client has disconnected before the end of its body."""


async def body_chunks(receive: Receive) -> AsyncIterator[bytes]:
    """:raises ClientGone: the client has disconnected before the end."""
    more = True
    while more:
        chunk, more = await _next_chunk(receive)
        yield chunk


async def _next_chunk(receive: Receive) -> tuple[bytes, bool]:
    """Return the next part of a body, and whether there is more."""
    message: Any = await receive()
    if message["type"] == "http.disconnect":
        raise ClientGone
    return message.get("body", b""), message.get("more_body", False)


class BodyReader:
    """Read whole bodies, of which few large ones may be in flight."""

    def __init__(self, limits: HttpLimits) -> None:
        self._limits = limits
        self._permits = asyncio.Semaphore(limits.large_bodies)

    async def read(self, scope: Scope, receive: Receive) -> bytes:
        """
        Return the body of a request.

        :raises Rejection: 408, it does not come to its end in time; 413, it is too large; 503, too many large ones are
            in flight.
        """
        announced = header(scope, b"content-length") or ""
        _require_allowed(int(announced) if announced.isdecimal() else 0)
        try:
            async with asyncio.timeout(self._limits.silence) as silence:
                first, more = await _next_chunk(receive)
                if more or len(first) > self._limits.large_body:
                    return await self._read_on(first, receive, silence, more=more)
                return first
        except TimeoutError:
            limits = self._limits
            detail = f"The body did not come within {limits.body:g} s, or nothing of it for {limits.silence:g} s"
            raise Rejection(TOO_SLOW, detail) from None
        except ClientGone:
            raise Rejection(TOO_SLOW, "The body did not come to its end") from None

    async def _read_on(self, chunk: bytes, receive: Receive, silence: asyncio.Timeout, *, more: bool) -> bytes:
        body, time = bytearray(chunk), asyncio.get_running_loop().time
        until = time() + self._limits.body
        async with AsyncExitStack() as permits:
            await self._hold(permits, before=0, size=len(body))
            while more:
                silence.reschedule(min(time() + self._limits.silence, until))
                chunk, more = await _next_chunk(receive)
                await self._hold(permits, before=len(body), size=len(body) + len(chunk))
                body += chunk
            return bytes(body)

    async def _hold(self, permits: AsyncExitStack, *, before: int, size: int) -> None:
        """:raises Rejection: 503, a body that becomes large has no permit: waiting would hold what has already come."""
        _require_allowed(size)
        if before <= self._limits.large_body < size:
            if self._permits.locked():
                headers = {"Retry-After": "1"}
                raise Rejection(OVERLOADED, "Too many large bodies come at the same time", headers=headers)
            await permits.enter_async_context(self._permits)


def _require_allowed(size: int) -> None:
    if size > MAX_BODY_BYTES:
        raise Rejection(TOO_LARGE, f"A body is at most {MAX_BODY_BYTES} bytes")


async def body_of(request: AnyRequest) -> bytes:
    """Read a whole body by the `BodyReader` of the application."""
    reader: BodyReader = request.app.state.bodies
    return await reader.read(request.scope, request.receive)
