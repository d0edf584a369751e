"""Answers that are sent as they are made."""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from litestar.types import Receive, Scope, Send

from shared.auth.authentication import Authentication
from shared.auth.principal import Principal
from shared.errors import Unavailable
from shared.http.problems import Rejection
from shared.http.requests import wants_head_only
from shared.problems import Problem

TOO_MANY_STREAMS = Problem(
    "too-many-streams", 503, "Too many look on already", "Close streams you do not need, or ask without one."
)


def may_look_on(authentication: Authentication, principal: Principal) -> bool:
    """Tell whether a client may still see a stream: where that cannot be found out, it has to come again."""
    try:
        return authentication.stands(principal)
    except Unavailable:
        return False


class StreamPlaces:
    """How many streams a process serves, until it is to stop."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._taken = 0
        self.ended = asyncio.Event()
        """Set once the process is to stop; the streams end then."""

    @contextmanager
    def place(self) -> Iterator[None]:
        """:raises Rejection: 503, there is none left."""
        if self._taken >= self._most:
            detail = f"{self._taken} streams are open, and no more are served"
            raise Rejection(TOO_MANY_STREAMS, detail, headers={"Retry-After": "10"})
        self._taken += 1
        try:
            yield
        finally:
            self._taken -= 1


class StreamedResponse:
    """
    The answer to one client, as an ASGI application: ends with what it yields, or when the client goes.

    :param headers: beside those of every stream.
    :param stalled: seconds for which a client may leave unread what it was sent.
    :param is_endless: any end is a good one; else one before the last block breaks the connection, so that no client
        takes a part for the whole.
    """

    def __init__(
        self,
        blocks: AsyncIterator[bytes],
        *,
        headers: Sequence[tuple[bytes, bytes]],
        places: StreamPlaces,
        stalled: float,
        is_endless: bool,
    ) -> None:
        self._blocks, self._headers, self._places, self._stalled = blocks, headers, places, stalled
        self._is_over = is_endless

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._places.place():
            headers = [*_HEADERS, *self._headers]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            if wants_head_only(scope):
                self._is_over = True
            else:
                await self._while_there(receive, self._send_all(send))
            if self._is_over:
                await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _while_there(self, receive: Receive, sending: Coroutine[Any, Any, None]) -> None:
        async with asyncio.TaskGroup() as group:
            ends = (sending, _has_gone(receive), self._places.ended.wait())
            tasks = [group.create_task(each) for each in ends]
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in tasks:
                task.cancel()

    async def _send_all(self, send: Send) -> None:
        async for each in self._blocks:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._stalled):
                    await send({"type": "http.response.body", "body": each, "more_body": True})
                    continue
            return
        self._is_over = True


_HEADERS = [
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),  # nginx would collect what is to be seen at once
    (b"x-content-type-options", b"nosniff"),
]


async def _has_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
