"""A read that a page tries: asked of the service itself, in process, as the reader."""

import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any, NamedTuple
from urllib.parse import unquote

from litestar.types import ASGIApp, Message, Scope

from shared.http.docs.curl import as_json

MOST_SHOWN = 40_000
MOST_INDENTED = 1_000_000
"""Characters of an answer."""


class Tried(NamedTuple):
    """The answer to a read."""

    address: str
    status: int
    headers: Sequence[tuple[str, str]]
    body: str


async def tried(app: ASGIApp, scope: Scope, address: str, *, token: str | None) -> Tried:
    """
    Ask for an address on behalf of a page.

    :param app: answers callers that it authenticates.
    """
    path, _, query = address.partition("?")
    headers = [each for each in scope["headers"] if each[0] == b"host"]
    if token:
        headers.append((b"authorization", f"Bearer {token}".encode()))
    asked: Any = {**scope, "method": "GET", "path": unquote(path), "raw_path": path.encode(), "headers": headers}
    asked |= {"query_string": query.encode(), "state": {}}
    received: Iterator[Any] = iter([{"type": "http.request", "body": b"", "more_body": False}])
    sent: list[Any] = []

    async def receive() -> Any:
        return next(received, {"type": "http.disconnect"})

    async def send(message: Message) -> None:
        sent.append(message)

    await app(asked, receive, send)
    start = sent[0]
    body = b"".join(each.get("body", b"") for each in sent[1:]).decode(errors="replace")
    shown = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in start["headers"]]
    return Tried(address, start["status"], shown, _indented(body))


def _indented(body: str) -> str:
    text = body
    if len(body) <= MOST_INDENTED:  # more would take the process long, and most of it is not shown
        with suppress(ValueError):
            text = as_json(json.loads(body))
    return text if len(text) <= MOST_SHOWN else f"{text[:MOST_SHOWN]}\n…"
