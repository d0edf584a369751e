"""Sends one webhook what the feed has for it: at least once, and in order for each account."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from http import HTTPStatus
from uuid import UUID

import structlog
from prometheus_client import Counter

from shared.clock import Clock
from shared.runtime.tasks import side_by_side
from write_side.webhooks.limits import WebhookLimits
from write_side.webhooks.ports import (
    ChangeFeed,
    FeedChange,
    FeedPage,
    HistoryTrimmed,
    ReceiverAnswer,
    ReceiverFailed,
    Receivers,
    WebhookSession,
)
from write_side.webhooks.retry_after import retry_after
from write_side.webhooks.signing import signed
from write_side.webhooks.webhook import Webhook

_ATTEMPTS = Counter(
    "muster_webhook_attempts_total", "Attempts to send a change, by what came of them: taken, failed.", ("outcome",)
)
for _outcome in ("taken", "failed"):
    _ATTEMPTS.labels(_outcome)  # from a sample that was not there before, Prometheus sees no increase

_BUSY = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)
"""With these a receiver may say when it wants to be asked again."""

log = structlog.get_logger()


class ReceiverGone(ReceiverFailed):
    """A receiver answers that it is gone for good."""

    def __init__(self) -> None:
        super().__init__("it answers 410: it is gone")


class WebhookSender:
    """
    Takes up a webhook's changes page by page; what others do to the webhook meanwhile ends it.

    A change that was taken is not sent again here, though one before it was not: the position stands before the first
    that was not. So a process that is killed sends again what its page holds behind that.
    """

    def __init__(
        self,
        webhook: Webhook,
        *,
        session: WebhookSession,
        feed: ChangeFeed,
        receivers: Receivers,
        clock: Clock,
        limits: WebhookLimits,
    ) -> None:
        self.webhook = webhook
        self.share = 1
        """How many requests may be under way."""
        self._session = session
        self._feed = feed
        self._receivers = receivers
        self._clock = clock
        self._limits = limits
        self._taken: set[UUID] = set()
        self._failed: UUID | None = None

    async def run(self) -> None:
        """
        Send until it fails.

        :raises WebhookChanged: others have changed the webhook.
        :raises Unavailable: the feed or the database does not answer.
        """
        while self.webhook.is_due(self._clock.now()):
            await self.step(wait=self._limits.wait_seconds)

    async def step(self, *, wait: float = 0.0) -> None:
        """:param wait: seconds to wait for a change, if there is none yet."""
        try:
            page = await self._feed.read(self.webhook, limit=self._limits.ahead, wait=wait)
        except HistoryTrimmed as trimmed:
            again = f"`muster webhooks replay {self.webhook.name} --from {trimmed.oldest}`, then resume it"
            await self._save(self._paused(f"what comes next is not kept any more; to go on with what is: {again}"))
            return
        failure = await self._send([each for each in page.changes if each.id not in self._taken])
        await self._note(page, failure)

    async def _send(self, changes: Sequence[FeedChange]) -> ReceiverFailed | None:
        """
        Send changes, those of one account one after the other; return what made it stop.

        The account of which one was refused comes last: others get on, though the position does not.
        """
        chains: dict[UUID, list[FeedChange]] = {}
        for each in changes:
            chains.setdefault(each.about, []).append(each)
        failures: list[ReceiverFailed] = []

        async def send_chain(chain: Sequence[FeedChange]) -> None:
            for each in chain:
                if failures:  # what is under way then is waited for
                    return
                try:
                    await self._send_one(each)
                except ReceiverFailed as failure:
                    failures.append(failure)

        works = [
            partial(send_chain, chains[about]) for about in sorted(chains, key=lambda about: about == self._failed)
        ]
        await side_by_side(works, at_once=self.share)
        return max(failures, key=lambda each: (isinstance(each, ReceiverGone), each.retry_after), default=None)

    async def _send_one(self, change: FeedChange) -> None:
        """:raises ReceiverFailed: it was not taken."""
        if change.account is None or await self._session.has_account(change.account):
            try:
                await self._attempt(change)
            except ReceiverFailed:
                self._failed = change.about
                _ATTEMPTS.labels("failed").inc()
                raise
            _ATTEMPTS.labels("taken").inc()
        self._taken.add(change.id)

    async def _attempt(self, change: FeedChange) -> None:
        now = self._clock.now()
        headers = signed(str(change.id), change.body, by=self.webhook.secrets(now), at=now)
        _require_taken(await self._receivers.post(self.webhook.url, headers=headers, body=change.body), now)

    async def _note(self, page: FeedPage, failure: ReceiverFailed | None) -> None:
        """Store how far it is, and how it goes on."""
        position = self._reached(page)
        self._taken &= {each.id for each in page.changes if each.position > position}
        if position > self.webhook.position or (failure is None and self.webhook.error):
            await self._save(self.webhook.moved(position))
        if isinstance(failure, ReceiverGone):
            await self._save(self._paused(str(failure)))
        elif failure is not None:
            await self.fail(str(failure), asked=failure.retry_after)

    def _reached(self, page: FeedPage) -> int:
        """Return the position up to which everything was taken."""
        reached = self.webhook.position
        for each in page.changes:
            if each.id not in self._taken:
                return reached
            reached = each.position
        return page.position

    async def fail(self, error: str, *, asked: float = 0.0) -> None:
        """
        Try no more for a while; for good, if that was the last attempt.

        :param asked: seconds for which the receiver asks.
        """
        now, failures = self._clock.now(), self.webhook.failures + 1
        pause = timedelta(seconds=self._limits.pause(failures, asked=asked))
        failed = self.webhook.failed(error, at=now, pause=pause)
        if failures >= self._limits.attempts:
            failed = self._paused(f"{error}, {failures} times since {failed.failing_since:%Y-%m-%d %H:%M}Z")
        await self._save(failed)

    async def hold_up(self, error: str) -> None:
        """Store why there is nothing to send, until there is; it counts as no failure."""
        if error != self.webhook.error:
            await self._save(self.webhook.held_up(error))
            log.warning("a webhook waits", webhook=self.webhook.name, error=error)

    def _paused(self, reason: str) -> Webhook:
        log.warning("a webhook is paused", webhook=self.webhook.name, reason=reason)
        return self.webhook.paused(reason, at=self._clock.now())

    async def _save(self, changed: Webhook) -> None:
        self.webhook = await self._session.save(changed)


def _require_taken(answer: ReceiverAnswer, now: datetime) -> None:
    """:raises ReceiverFailed: a receiver has not taken what it was sent at this time."""
    status = answer.status
    if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        return
    if status == HTTPStatus.GONE:
        raise ReceiverGone
    is_elsewhere = HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST
    asked = retry_after(answer.retry_after or "", now=now) if status in _BUSY else 0.0
    raise ReceiverFailed(f"it answers {status}" + ": redirects are not followed" * is_elsewhere, retry_after=asked)
