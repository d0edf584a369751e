"""Keeps a sender for each webhook, so that none waits for another."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from uuid import UUID

import structlog
from prometheus_client import Gauge

from shared.clock import Clock
from shared.errors import Unavailable
from write_side.webhooks.limits import WebhookLimits
from write_side.webhooks.ports import ChangeFeed, Receivers, WebhookChanged, WebhookSession
from write_side.webhooks.sending import WebhookSender
from write_side.webhooks.webhook import STATES, Webhook

_KEPT = Gauge(
    "muster_webhooks",
    "Webhooks there are, as the process that leads knows them.",
    ("state",),
    multiprocess_mode="livesum",
)
_POSITION = Gauge(
    "muster_webhooks_position",
    "The log's position up to which every webhook has been sent what it gets, but for those that are paused.",
    multiprocess_mode="livesum",
)

log = structlog.get_logger()


class Dispatcher:
    """Sends all webhooks; one process at a time is to do so."""

    def __init__(
        self,
        session: WebhookSession,
        *,
        feed: ChangeFeed,
        receivers: Receivers,
        clock: Clock,
        limits: WebhookLimits,
    ) -> None:
        self._session = session
        self._clock = clock
        self._limits = limits
        self._sender = partial(
            WebhookSender, session=session, feed=feed, receivers=receivers, clock=clock, limits=limits
        )
        self._senders: dict[UUID, WebhookSender] = {}
        self._running: dict[UUID, asyncio.Task[None]] = {}

    async def run(self) -> None:
        """:raises Unavailable: the database does not answer."""
        try:
            while True:
                await self.look()
                await asyncio.sleep(self._limits.poll_seconds)
        finally:
            _measure(())
            await self._end(*self._running)

    async def look(self) -> None:
        """Begin to send what is due, and end what was changed by others."""
        found = {each.id: each for each in await self._session.all()}
        _measure(tuple(found.values()))
        old = [id_ for id_, each in self._senders.items() if _is_newer(found.get(id_), each.webhook)]
        await self._end(*old)
        for id_ in old:
            del self._senders[id_]
        due = [each for each in found.values() if each.is_due(self._clock.now())]
        for each in due:
            self._begin(each, share=self._limits.share(len(due)))

    def _begin(self, webhook: Webhook, *, share: int) -> None:
        if webhook.id not in self._senders:
            self._senders[webhook.id] = self._sender(webhook)
        sender = self._senders[webhook.id]
        sender.share = share
        if webhook.id not in self._running:
            task = asyncio.create_task(self._send(sender), name=f"webhook {webhook.name}")
            task.add_done_callback(lambda _: self._running.pop(webhook.id, None))
            self._running[webhook.id] = task

    async def _send(self, sender: WebhookSender) -> None:
        """Send until it ends, for whatever reason: a lost database is noticed by the next look, too."""
        try:
            await sender.run()
        except Unavailable as error:
            with suppress(Unavailable, WebhookChanged):
                await sender.hold_up(str(error))
        except WebhookChanged:
            log.info("a webhook was changed", webhook=sender.webhook.name)
        except Exception as error:  # noqa: BLE001 - a defect in one holds up no other; its text may name people
            name = type(error).__name__
            log.critical("a webhook has met a defect", webhook=sender.webhook.name, error=name)
            with suppress(Unavailable, WebhookChanged):
                await sender.fail(name)

    async def _end(self, *ids: UUID) -> None:
        tasks = [self._running[id_] for id_ in ids if id_ in self._running]
        for each in tasks:
            each.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _is_newer(found: Webhook | None, known: Webhook) -> bool:
    """Whether a webhook is gone, or was changed by others."""
    return found is None or found.revision > known.revision


def _measure(webhooks: Sequence[Webhook]) -> None:
    states = Counter(each.state for each in webhooks)
    for state in STATES:
        _KEPT.labels(state).set(states[state])
    _POSITION.set(min((each.position for each in webhooks if each.paused_at is None), default=0))
