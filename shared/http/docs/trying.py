"""A read that a page tries: asked of the service itself, in process, as the reader."""

import json
from collections.abc import Sequence
from typing import Any, NamedTuple
from urllib.parse import unquote

from litestar.types import ASGIApp, Message, Scope

from shared.http.docs.curl import as_json

MOST_SHOWN = 40_000
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
    asked["query_string"] = query.encode()
    sent: list[Any] = []

    async def send(message: Message) -> None:
        sent.append(message)

    await app(asked, _nothing_more, send)
    start = sent[0]
    body = b"".join(each.get("body", b"") for each in sent[1:]).decode(errors="replace")
    shown = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in start["headers"]]
    return Tried(address, start["status"], shown, _indented(body))


async def _nothing_more() -> Any:
    return {"type": "http.request", "body": b"", "more_body": False}


def _indented(body: str) -> str:
    try:
        text = as_json(json.loads(body))
    except ValueError:
        text = body
    return text if len(text) <= MOST_SHOWN else f"{text[:MOST_SHOWN]}\n…"
