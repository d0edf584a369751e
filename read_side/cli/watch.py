"""`muster watch`: changes as they come, from the change feed."""

import asyncio
from functools import partial
from http import HTTPStatus
from typing import Annotated, Any
from urllib.parse import urlencode

import msgspec
from cyclopts import Parameter, validators

from shared.cli.api_client import READ_API, ApiClient, ApiRefused, ApiUnavailable, connected
from shared.cli.output import print_json, print_line
from shared.runtime.retry import RetryPolicy
from shared.settings import Settings
from shared.text import printable

WAIT = 20
"""Seconds for which the feed is asked to wait for a change."""
ANSWER_SECONDS = 60.0
MOST = 200
RETRIES = RetryPolicy(first=0.2, longest=5.0)

Position = Annotated[int, Parameter(validator=validators.Number(gte=0))]


class _Page(msgspec.Struct):
    items: list[msgspec.Raw]
    next_after: int


class _Data(msgspec.Struct):
    fields: list[str]
    values: dict[str, Any] = {}


class _Change(msgspec.Struct):
    sequence: int
    time: str
    type: str
    subject: str
    data: _Data

    def __str__(self) -> str:
        changed = (
            f"{name}={self.data.values[name]}" if name in self.data.values else name for name in self.data.fields
        )
        return printable(" ".join([str(self.sequence), self.time, self.type, self.subject, *changed]))


def watch(
    *,
    after: Position | None = None,
    type: list[str] | None = None,
    account: str | None = None,
    group: str | None = None,
    json: bool = False,
) -> None:
    """
    Print changes as they come, one a line, until interrupted.

    :param after: begin behind this position of the log, instead of now.
    :param type: of event, such as handle-changed; several times for several.
    :param account: only those of the account with this id.
    :param group: only those of the group with this id or slug.
    :param json: print each as a CloudEvent in JSON.
    """
    query = {"type": type, "account": account, "group": group}
    asyncio.run(_watch({name: each for name, each in query.items() if each}, after=after, as_json=json))


async def _watch(query: dict[str, Any], *, after: int | None, as_json: bool) -> None:
    """:raises ApiFailed: the read API refuses; that it was away for a while matters only at the beginning."""
    async with connected(READ_API, Settings.here(), timeout=ANSWER_SECONDS) as api:
        position = await api.position("/changes?limit=1") if after is None else after
        page = await _page(api, query, after=position, wait=0)
        while True:
            for item in page.items:
                print_json(bytes(item)) if as_json else print_line(msgspec.json.decode(item, type=_Change))
            ask = partial(_page, api, query, after=page.next_after, wait=WAIT)
            page = await RETRIES.call(ask, on=ApiUnavailable)


async def _page(api: ApiClient, query: dict[str, Any], *, after: int, wait: int) -> _Page:
    """:raises ApiUnavailable: it may come later."""
    asked = urlencode({**query, "after": after, "wait": wait, "limit": MOST}, doseq=True)
    try:
        return await api.get(f"/changes?{asked}", _Page)
    except ApiRefused as refusal:
        if refusal.status == HTTPStatus.SERVICE_UNAVAILABLE:
            raise ApiUnavailable(str(refusal)) from refusal
        raise
