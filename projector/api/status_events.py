"""
`GET /status/events`: the state every second, as server-sent events (WHATWG HTML, section 9.2).

`history` comes once, at the beginning; then `status` with what `GET /status` answers, its id being the time in
milliseconds since 1970, and `page` with those parts of the page that have changed, as HTML by the id of their element.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any

import msgspec
from litestar import Request, get
from litestar.types import ASGIApp, Receive, Scope, Send
from msgspec import Meta

from projector.api.csrf_check import require_local_host
from projector.api.orders import operation
from projector.api.page.document import parts
from projector.monitoring.status_history import StatusHistory, StatusSnapshot
from shared.auth.authentication import Authentication
from shared.auth.principal import Principal
from shared.errors import Unavailable
from shared.http.containers import Services
from shared.http.middleware.auth import caller
from shared.http.problems import Rejection
from shared.http.requests import wants_head_only
from shared.problems import Problem

MEDIA_TYPE = "text/event-stream"


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamLimits:
    """How many streams a process serves, and how long it waits for their clients; seconds, but for the first."""

    streams: int = 50
    reconnect: float = 1.0
    """After which a browser connects again."""
    heartbeat: float = 5.0
    """Without anything to send; a proxy must not take the connection for dead."""
    stalled: float = 30.0
    """For which a client may leave unread what it was sent."""


TOO_MANY_STREAMS = Problem(
    "too-many-streams", 503, "Too many look on already", "Close pages you do not need, or ask GET /status."
)
PROBLEMS = (TOO_MANY_STREAMS,)

_HEADERS = [
    (b"content-type", MEDIA_TYPE.encode()),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),  # nginx would collect what is to be seen at once
    (b"x-content-type-options", b"nosniff"),
]
_encode = msgspec.json.Encoder().encode


class Frame:
    """The bytes that streams send of one snapshot, made once for all of them."""

    def __init__(self, snapshot: StatusSnapshot) -> None:
        self.snapshot = snapshot
        self.parts = parts(snapshot)
        self._status = event("status", snapshot.status, id=round(snapshot.at.timestamp() * 1_000))

    def changed_from(self, shown: Mapping[str, str]) -> bytes:
        """Return the events for a page that shows these parts."""
        changed = {name: html for name, html in self.parts.items() if shown.get(name) != html}
        return self._status + (event("page", changed) if changed else b"")


class Streams:
    """All streams of a process."""

    def __init__(self, history: StatusHistory, *, limits: StreamLimits | None = None) -> None:
        self.history = history
        self.limits = limits or StreamLimits()
        self._open = 0
        self._frame: Frame | None = None

    @contextmanager
    def place(self) -> Iterator[None]:
        """:raises Rejection: 503, there is none left."""
        if self._open >= self.limits.streams:
            detail = f"{self._open} streams are open, and no more are served"
            raise Rejection(TOO_MANY_STREAMS, detail, headers={"Retry-After": "10"})
        self._open += 1
        try:
            yield
        finally:
            self._open -= 1

    def frame(self, snapshot: StatusSnapshot) -> Frame:
        if self._frame is None or self._frame.snapshot is not snapshot:
            self._frame = Frame(snapshot)
        return self._frame

    async def events(self, may_go_on: Callable[[], bool]) -> AsyncIterator[bytes]:
        """Yield what one client is sent, until the process is to stop, or the client may not go on."""
        snapshot: StatusSnapshot | None = None
        shown: Mapping[str, str] = {}
        yield f"retry: {round(self.limits.reconnect * 1_000)}\n\n".encode() + event("history", self.history.timeline())
        while not self.history.has_ended and may_go_on():
            later = await self.history.after(snapshot, patience=self.limits.heartbeat)
            if later:
                snapshot, frame = later, self.frame(later)
                yield frame.changed_from(shown)
                shown = frame.parts
            elif not self.history.has_ended:
                yield b": nothing new\n\n"


class Stream:
    """
    The answer to one client, as an ASGI application: ends when the client goes, or the process is to stop.

    :param may_go_on: whether the client may still see this: its session may be over, or revoked.
    """

    def __init__(self, streams: Streams, *, may_go_on: Callable[[], bool]) -> None:
        self._streams = streams
        self._may_go_on = may_go_on

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._streams.place():
            await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
            if not wants_head_only(scope):
                await self._while_there(receive, self._send_all(send))
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _while_there(self, receive: Receive, sending: Coroutine[None, None, None]) -> None:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(sending), group.create_task(_has_gone(receive))]
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in tasks:
                task.cancel()

    async def _send_all(self, send: Send) -> None:
        async for each in self._streams.events(self._may_go_on):
            with suppress(TimeoutError):
                async with asyncio.timeout(self._streams.limits.stalled):
                    await send({"type": "http.response.body", "body": each, "more_body": True})
                    continue
            return


def event(name: str, data: object, *, id: int | None = None) -> bytes:
    """Encode one event; JSON has no line breaks of its own."""
    numbered = b"" if id is None else b"id: %d\n" % id
    return b"event: %s\n%sdata: %s\n\n" % (name.encode(), numbered, _encode(data))


async def _has_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


@get("/status/events", guards=[require_local_host])
async def status_events(request: Request[Any, Any, Any], services: Services) -> ASGIApp:
    authentication = await services.aget_abstract(Authentication)
    return Stream(services.get(Streams), may_go_on=partial(_stands, authentication, caller(request.scope)))


HANDLERS = (status_events,)
OPERATIONS = (
    operation(
        "follow_status",
        "GET",
        "/status/events",
        "Follow the state of every projection",
        Annotated[str, Meta(examples=['id: 1\nevent: status\ndata: {"head":1042,…}\n\n'])],
        description="Server-sent events: `history` once, then every second `status` with what `GET /status` answers.",
        media_type=MEDIA_TYPE,
        problems=PROBLEMS,
    ),
)


def _stands(authentication: Authentication, principal: Principal) -> bool:
    """Tell whether a client may still look on: where that cannot be found out, it has to come again."""
    try:
        return authentication.stands(principal)
    except Unavailable:
        return False
