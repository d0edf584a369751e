"""Server-sent events as they come over HTTP (WHATWG HTML, section 9.2)."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.support.access import headers_for
from tests.support.patience import SECONDS


@dataclass(frozen=True, slots=True)
class Event:
    """One event; one that is only a comment or a field has no name."""

    name: str | None
    data: Any = None
    id: str | None = None
    other: dict[str, str] = field(default_factory=dict)


@asynccontextmanager
async def followed(
    url: str, *, path: str = "/status/events", **headers: str
) -> AsyncIterator[tuple[httpx.Response, AsyncIterator[Event]]]:
    """The answer, and its events as they come."""
    async with (
        httpx.AsyncClient(timeout=SECONDS, trust_env=False) as client,
        client.stream("GET", f"{url}{path}", headers={**headers_for(url), **headers}) as answer,
    ):
        yield answer, _events(answer)


async def first(events: AsyncIterator[Event], name: str) -> Event:
    """The next event of a name."""
    async for event in events:
        if event.name == name:
            return event
    raise AssertionError(f"the stream ended without {name}")


async def _events(answer: httpx.Response) -> AsyncIterator[Event]:
    fields: dict[str, str] = {}
    async for line in answer.aiter_lines():
        if line:
            name, _, value = line.partition(":")
            fields[name] = value.removeprefix(" ")
            continue
        data = json.loads(fields.pop("data")) if "data" in fields else None
        yield Event(fields.pop("event", None), data, fields.pop("id", None), fields)
        fields = {}
