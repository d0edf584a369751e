"""Webhooks, a feed and receivers, as tests have them in memory; receivers that verify as those of others do."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple
from uuid import UUID

import msgspec
from standardwebhooks import Webhook as Verifier

from shared.errors import Unavailable
from write_side.webhooks.administration import new_webhook
from write_side.webhooks.ports import FeedChange, FeedPage, HistoryTrimmed, ReceiverAnswer, ReceiverFailed
from write_side.webhooks.webhook import Webhook

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
ADA, BOB, EVE = UUID(int=1), UUID(int=2), UUID(int=3)


def webhook(number: int = 1, **about: object) -> Webhook:
    """One of several, made by a clock that stands; some of what it has may be said."""
    name = f"hook-{number}"
    made = new_webhook(name, f"https://{name}.example/changes", id=UUID(int=number), at=NOW, position=0)
    return msgspec.structs.replace(made, **about)


def change(position: int, about: UUID = ADA, *, erases: bool = False) -> FeedChange:
    """:param erases: whether it says that the account was erased."""
    body, account = msgspec.json.encode({"sequence": position, "about": about}), None if erases else about
    return FeedChange(id=UUID(int=1_000 + position), position=position, about=about, account=account, body=body)


class ListedFeed:
    """A feed of what a test lists; where nothing more is listed, it is waited for."""

    def __init__(self, *changes: FeedChange) -> None:
        self.changes = list(changes)
        self.oldest = self.looked_up_to = 0
        self.available = True
        self._more = asyncio.Event()

    def append(self, *changes: FeedChange) -> None:
        self.changes += changes
        self._more.set()

    async def read(self, webhook: Webhook, *, limit: int, wait: float) -> FeedPage:
        while True:
            if not self.available:
                raise Unavailable("the feed was made unavailable")
            if webhook.position + 1 < self.oldest:
                raise HistoryTrimmed(self.oldest)
            self._more.clear()
            found = [each for each in self.changes if each.position > webhook.position][:limit]
            if found or not wait:
                return FeedPage(found, found[-1].position if found else max(self.looked_up_to, webhook.position))
            await self._more.wait()


class Sent(NamedTuple):
    """What a receiver was sent."""

    id: UUID
    headers: Mapping[str, str]
    body: bytes

    @property
    def position(self) -> int:
        position: int = msgspec.json.decode(self.body)["sequence"]
        return position

    def verify(self, secret: str) -> None:
        """:raises WebhookVerificationError: it was not signed by this secret, or not about now."""
        Verifier(secret).verify(self.body, dict(self.headers))


Answer = Callable[[Sent], Awaitable[ReceiverAnswer]]


class FakeReceivers:
    """Servers by their URLs: what each was sent, and what it answers."""

    def __init__(self) -> None:
        self.sent: defaultdict[str, list[Sent]] = defaultdict(list)
        self.answers: dict[str, Answer] = {}
        self.under_way: defaultdict[str, int] = defaultdict(int)
        self.most: defaultdict[str, int] = defaultdict(int)

    async def post(self, url: str, *, headers: Mapping[str, str], body: bytes) -> ReceiverAnswer:
        sent = Sent(UUID(headers["webhook-id"]), headers, body)
        self.sent[url].append(sent)
        self.under_way[url] += 1
        self.most[url] = max(self.most[url], self.under_way[url])
        try:
            return await self.answers.get(url, taking)(sent)
        finally:
            self.under_way[url] -= 1

    def positions(self, webhook: Webhook) -> Sequence[int]:
        return [each.position for each in self.sent[webhook.url]]


async def taking(_: Sent) -> ReceiverAnswer:
    await asyncio.sleep(0)
    return ReceiverAnswer(204)


def answering(status: int, retry_after: str | None = None, *, only: int | None = None) -> Answer:
    """:param only: at this position; everything else is taken."""

    async def answer(sent: Sent) -> ReceiverAnswer:
        if only not in {None, sent.position}:
            return await taking(sent)
        for _ in range(5):  # what others take meanwhile is not undone by it
            await asyncio.sleep(0)
        return ReceiverAnswer(status, retry_after)

    return answer


async def unreachable(_: Sent) -> ReceiverAnswer:
    raise ReceiverFailed("it cannot be reached")


async def silent(_: Sent) -> ReceiverAnswer:
    await asyncio.Event().wait()
    raise AssertionError("it says nothing")
