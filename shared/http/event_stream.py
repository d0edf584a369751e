"""Server-sent events (WHATWG HTML, section 9.2): answers without an end."""

from collections.abc import AsyncIterator
from typing import Any

import msgspec

from shared.http.streaming import StreamedResponse, StreamPlaces

MEDIA_TYPE = "text/event-stream"

_encode = msgspec.json.Encoder().encode


def event_stream(events: AsyncIterator[bytes], *, places: StreamPlaces, stalled: float) -> StreamedResponse:
    """Return what answers one client with events; see `StreamedResponse`."""
    headers = [(b"content-type", MEDIA_TYPE.encode())]
    return StreamedResponse(events, headers=headers, places=places, stalled=stalled, is_endless=True)


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
