"""
`GET /status/events`: the state every second, as server-sent events (WHATWG HTML, section 9.2).

`history` comes once, at the beginning, with the figures of the last hour, a point a minute; then `status` with what
`GET /status` answers, its id being the time in milliseconds since 1970, and `page` with those parts of the page that
have changed, as HTML by the id of their element. Where the projector takes up other layouts, `anew` comes last.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Annotated

from litestar import get
from litestar.types import ASGIApp
from msgspec import Meta

from projector.api.orders import operation
from projector.api.page.document import parts
from projector.monitoring.status_history import StatusHistory, StatusSnapshot
from shared.auth.authentication import Authentication
from shared.http.containers import Services
from shared.http.event_stream import MEDIA_TYPE, event, event_stream, retry
from shared.http.middleware.auth import caller
from shared.http.pages.csrf_check import require_local_host
from shared.http.requests import AnyRequest
from shared.http.streaming import TOO_MANY_STREAMS, StreamPlaces, may_look_on


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamLimits:
    """How many streams a process serves, and how long it waits for their clients; seconds, but for the first."""

    streams: int = 50
    reconnect: float = 1.0
    """After which a browser connects again."""
    anew: float = 0.05
    """The same after `anew`: who connects again is answered once other layouts are taken up."""
    heartbeat: float = 5.0
    """Without anything to send; a proxy must not take the connection for dead."""
    stalled: float = 30.0
    """For which a client may leave unread what it was sent."""


PROBLEMS = (TOO_MANY_STREAMS,)


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

    def __init__(
        self, history: StatusHistory, *, limits: StreamLimits | None = None, outdated: asyncio.Event | None = None
    ) -> None:
        """:param outdated: set if what ends is to begin anew."""
        self.history = history
        self._outdated = outdated or asyncio.Event()
        self.limits = limits or StreamLimits()
        self.places = StreamPlaces(self.limits.streams)
        self._frame: Frame | None = None

    def frame(self, snapshot: StatusSnapshot) -> Frame:
        if self._frame is None or self._frame.snapshot is not snapshot:
            self._frame = Frame(snapshot)
        return self._frame

    async def events(self, may_go_on: Callable[[], bool]) -> AsyncIterator[bytes]:
        """Yield what one client is sent, until the process is to stop, or the client may not go on."""
        snapshot: StatusSnapshot | None = None
        shown: Mapping[str, str] = {}
        yield retry(self.limits.reconnect) + event("history", self.history.timeline)
        while not self.history.has_ended and may_go_on():
            later = await self.history.after(snapshot, patience=self.limits.heartbeat)
            if later:
                snapshot, frame = later, self.frame(later)
                yield frame.changed_from(shown)
                shown = frame.parts
            elif not self.history.has_ended:
                yield b": nothing new\n\n"
        if self._outdated.is_set():
            yield retry(self.limits.anew) + event("anew", None)


@get("/status/events", guards=[require_local_host])
async def follow_status(request: AnyRequest, services: Services) -> ASGIApp:
    authentication = await services.aget_abstract(Authentication)
    streams, may_go_on = services.get(Streams), partial(may_look_on, authentication, caller(request.scope))
    return event_stream(streams.events(may_go_on), places=streams.places, stalled=streams.limits.stalled)


HANDLERS = (follow_status,)
OPERATIONS = (
    operation(
        follow_status,
        "Follow the state of every projection",
        Annotated[str, Meta(examples=['id: 1\nevent: status\ndata: {"head":1042,…}\n\n'])],
        description="Server-sent events: `history` once, with the figures of the last hour, then every second"
        " `status` with what `GET /status` answers.",
        media_type=MEDIA_TYPE,
        problems=PROBLEMS,
    ),
)
