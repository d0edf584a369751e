"""A read that a page tries: asked of the service itself, in process, as the reader."""

import json
from collections.abc import Sequence
from contextlib import suppress
from typing import NamedTuple

from litestar.types import ASGIApp, Scope

from shared.http.docs.curl import as_json
from shared.http.inner_requests import ask

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
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    answer = await ask(app, scope, address, headers=headers)
    shown = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in answer.headers]
    return Tried(address, answer.status, shown, _indented(answer.body.decode(errors="replace")))


def _indented(body: str) -> str:
    text = body
    if len(body) <= MOST_INDENTED:  # more would take the process long, and most of it is not shown
        with suppress(ValueError):
            text = as_json(json.loads(body))
    return text if len(text) <= MOST_SHOWN else f"{text[:MOST_SHOWN]}\n…"
