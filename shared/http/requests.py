"""What can be read off a request, and sent with any answer to it."""

from collections.abc import MutableMapping, Sequence
from functools import partial
from typing import Any

from litestar import Request
from litestar.types import Message, Scope, Send

AnyRequest = Request[Any, Any, Any]


def request_id(scope: Scope | MutableMapping[str, Any]) -> str | None:
    """Return the id of the request being answered."""
    return scope.get("muster_request_id")  # type: ignore[return-value]


def header(scope: Scope | MutableMapping[str, Any], name: bytes) -> str | None:
    """Return a header by its lower-case name, as Latin-1 text; several are one list (RFC 9110, section 5.3)."""
    values = [value for key, value in scope["headers"] if key == name]
    return str(b", ".join(values), "latin-1") if values else None


def wants_head_only(scope: Scope | MutableMapping[str, Any]) -> bool:
    """Tell whether a HEAD is answered as if it were a GET: an endless answer must end here."""
    return bool(scope.get("muster_head"))


def root_of(scope: Scope | MutableMapping[str, Any]) -> str:
    """
    Return the way from the address of a request to the service's root, for links in its answer.

    A proxy may serve Muster under any path, which no absolute address would keep to.
    """
    up: int = scope["raw_path"].count(b"/") - 1 + scope.get("muster_slashes", 0)  # type: ignore[operator] # a number
    return "../" * up or "./"


async def send_whole(send: Send, body: bytes, *, status: int, headers: Sequence[tuple[bytes, bytes]]) -> None:
    """Send an answer that is whole."""
    length = (b"content-length", b"%d" % len(body))
    await send({"type": "http.response.start", "status": status, "headers": [*headers, length]})
    await send({"type": "http.response.body", "body": body, "more_body": False})


def with_headers(send: Send, headers: Sequence[tuple[bytes, bytes]]) -> Send:
    """Return what sends an answer with these headers added."""
    return partial(_send_with, send, headers)


async def _send_with(send: Send, headers: Sequence[tuple[bytes, bytes]], message: Message) -> None:
    if message["type"] == "http.response.start":
        message["headers"] = [*message["headers"], *headers]
    await send(message)
