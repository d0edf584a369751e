"""Bodies of requests: how they come, and what they say of themselves."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

from litestar import Request
from litestar.exceptions import HTTPException, InternalServerException
from litestar.types import Scope

from shared.http.limits import HttpLimits
from shared.http.problems import TOO_SLOW, UNSUPPORTED_MEDIA_TYPE, Rejection, framework_problem
from shared.http.requests import header
from shared.problems import OVERLOADED

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


async def body_chunks(request: Request[Any, Any, Any]) -> AsyncIterator[bytes]:
    """
    Yield the body as it comes.

    :raises ClientGone: the client has disconnected.
    :raises Rejection: 413, it is larger than the route allows.
    """
    try:
        async for chunk in request.stream():
            yield chunk
    except InternalServerException as error:  # which Litestar raises when the client disconnects
        if "disconnected" not in error.detail:
            raise
        raise ClientGone from None
    except HTTPException as error:
        raise Rejection(framework_problem(error), error.detail) from None


class BodyReader:
    """Read whole bodies, of which few large ones may be in flight."""

    def __init__(self, limits: HttpLimits) -> None:
        self._limits = limits
        self._permits = asyncio.Semaphore(limits.large_bodies)

    async def read(self, request: Request[Any, Any, Any]) -> bytes:
        """:raises Rejection: 408, the body does not come to its end in time; 503, too many large ones are in flight."""
        try:
            async with asyncio.timeout(self._limits.silence) as silence:
                return await self._whole(body_chunks(request), silence)
        except TimeoutError:
            limits = self._limits
            detail = f"The body did not come within {limits.body:g} s, or nothing of it for {limits.silence:g} s"
            raise Rejection(TOO_SLOW, detail) from None
        except ClientGone:
            raise Rejection(TOO_SLOW, "The body did not come to its end") from None

    async def _whole(self, chunks: AsyncIterator[bytes], silence: asyncio.Timeout) -> bytes:
        body, time = bytearray(), asyncio.get_running_loop().time
        until = time() + self._limits.body
        async with AsyncExitStack() as permits:
            async for chunk in chunks:
                silence.reschedule(min(time() + self._limits.silence, until))
                if len(body) <= self._limits.large_body < len(body) + len(chunk):
                    self._require_permit()
                    await permits.enter_async_context(self._permits)
                body += chunk
            return bytes(body)

    def _require_permit(self) -> None:
        """:raises Rejection: 503, none is left: waiting would hold what has already come."""
        if self._permits.locked():
            raise Rejection(OVERLOADED, "Too many large bodies come at the same time", headers={"Retry-After": "1"})


async def body_of(request: Request[Any, Any, Any]) -> bytes:
    """Read a whole body by the `BodyReader` of the application."""
    reader: BodyReader = request.app.state.bodies
    return await reader.read(request)
