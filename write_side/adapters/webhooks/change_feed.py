"""The change feed as the read API gives it to readers, with the scope of a webhook."""

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any
from uuid import UUID

import httpx
import msgspec

from shared.auth.principal import PRIVATE, READ
from shared.errors import Unavailable
from shared.read_model.changes import ACCOUNT_ERASED
from write_side.webhooks.ports import FeedChange, FeedPage, HistoryTrimmed
from write_side.webhooks.webhook import Webhook

Headers = Callable[[tuple[str, ...]], Mapping[str, str]]
"""Makes the headers that give a reader some scopes."""


def no_headers(_: tuple[str, ...]) -> Mapping[str, str]:
    """Admit a reader where there is no authentication."""
    return {}


class _ListedChanges(msgspec.Struct):
    items: list[msgspec.Raw]
    next_after: int


class _Subject(msgspec.Struct):
    account_id: UUID | None = None
    group_id: UUID | None = None


class _Event(msgspec.Struct):
    id: UUID
    type: str
    sequence: int
    data: _Subject


class _TrimmedFeed(msgspec.Struct):
    oldest_position: int


class HttpChangeFeed:
    def __init__(self, client: httpx.AsyncClient, *, headers: Headers, answer_seconds: float) -> None:
        """
        :param client: of the read API.
        :param answer_seconds: that an answer may take, besides those that it was asked to wait.
        """
        self._client = client
        self._headers = headers
        self._answer_seconds = answer_seconds

    async def read(self, webhook: Webhook, *, limit: int, wait: float) -> FeedPage:
        answer = await self._ask(webhook, {"limit": limit, "wait": f"{wait:g}"}, self._answer_seconds + wait)
        page = _decoded(answer, _ListedChanges)
        return FeedPage([_change(bytes(each), webhook) for each in page.items], page.next_after)

    async def _ask(self, webhook: Webhook, more: Mapping[str, Any], seconds: float) -> httpx.Response:
        asked: dict[str, Any] = {"after": webhook.position, "type": webhook.types, **more}
        ids = {"account": webhook.account_id, "group": webhook.group_id}
        asked |= {name: str(id_) for name, id_ in ids.items() if id_}
        headers = self._headers((READ, PRIVATE) if webhook.with_values else (READ,))
        try:
            answer = await self._client.get("/changes", params=asked, headers=headers, timeout=seconds)
        except httpx.TransportError as error:
            raise Unavailable(f"the read API does not answer ({type(error).__name__})") from error
        if answer.status_code == HTTPStatus.GONE:
            raise HistoryTrimmed(_decoded(answer, _TrimmedFeed).oldest_position)
        if not answer.is_success:
            raise Unavailable(f"the read API answers {answer.status_code}")
        return answer


def _decoded(answer: httpx.Response, kind: Any) -> Any:
    try:
        return msgspec.json.decode(answer.content, type=kind)
    except msgspec.DecodeError as error:
        raise Unavailable("what answers for the read API is something else") from error


def _change(body: bytes, webhook: Webhook) -> FeedChange:
    event: _Event = msgspec.json.decode(body, type=_Event)
    about = event.data.account_id or event.data.group_id or event.id
    account = None if event.type == ACCOUNT_ERASED else event.data.account_id
    shown = body if webhook.with_values else _without_values(body)
    return FeedChange(id=event.id, position=event.sequence, about=about, account=account, body=shown)


def _without_values(body: bytes) -> bytes:
    """Leave out what everybody is shown where there is no authentication."""
    if b'"values"' not in body:
        return body
    event = msgspec.json.decode(body)
    event["data"].pop("values", None)
    return msgspec.json.encode(event)
