"""Server-sent events (WHATWG HTML, section 9.2): answers without an end."""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import msgspec
from litestar.types import Receive, Scope, Send

from shared.http.problems import Rejection
from shared.http.requests import wants_head_only
from shared.problems import Problem

MEDIA_TYPE = "text/event-stream"

TOO_MANY_STREAMS = Problem(
    "too-many-streams", 503, "Too many look on already", "Close streams you do not need, or ask without one."
)

_HEADERS = [
    (b"content-type", MEDIA_TYPE.encode()),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),  # nginx would collect what is to be seen at once
    (b"x-content-type-options", b"nosniff"),
]
_encode = msgspec.json.Encoder().encode


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


class EventStream:
    """
    The answer to one client, as an ASGI application: ends with its events, or when the client goes.

    :param stalled: seconds for which a client may leave unread what it was sent.
    """

    def __init__(self, events: AsyncIterator[bytes], *, places: StreamPlaces, stalled: float) -> None:
        self._events, self._places, self._stalled = events, places, stalled

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._places.place():
            await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
            if not wants_head_only(scope):
                await self._while_there(receive, self._send_all(send))
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _while_there(self, receive: Receive, sending: Coroutine[Any, Any, None]) -> None:
        async with asyncio.TaskGroup() as group:
            ends = (sending, _has_gone(receive), self._places.ended.wait())
            tasks = [group.create_task(each) for each in ends]
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in tasks:
                task.cancel()

    async def _send_all(self, send: Send) -> None:
        async for each in self._events:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._stalled):
                    await send({"type": "http.response.body", "body": each, "more_body": True})
                    continue
            return


def retry(seconds: float) -> bytes:
    """Say after how long to connect again."""
    return f"retry: {round(seconds * 1_000)}\n\n".encode()


def event(name: str, data: Any, *, id: int | None = None) -> bytes:
    """Encode one event; JSON has no line breaks of its own."""
    return b"event: %s\n%s" % (name.encode(), message(_encode(data), id=id))


def message(data: bytes, *, id: int | None = None) -> bytes:
    """Encode an event without a name, of JSON."""
    numbered = b"" if id is None else b"id: %d\n" % id
    return b"%sdata: %s\n\n" % (numbered, data)


async def _has_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
