"""What is there once a load has ended, to be held against what was promised: the log, what was sent, what differs."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from projector.adapters.postgres.directory import PostgresDirectory
from projector.audit.verify.verification import Verification
from projector.projections.registry import PROJECTIONS
from shared.event_log import RecordedEvent
from shared.event_log.adapters.postgres import PostgresEventLog
from shared.redis.client import connect
from tests.support.patience import until
from tests.support.verifying import HandInRedis, unwatched
from write_side.adapters.postgres.deliveries import PostgresDeliveries
from write_side.adapters.postgres.webhooks import PostgresWebhooks
from write_side.ports import DeliverySession
from write_side.webhooks.administration import change_webhook
from write_side.webhooks.ports import WebhookSession
from write_side.webhooks.webhook import Webhook

AHEAD = timedelta(minutes=1)
"""Nothing but a clock that was ahead has put anything off for as long."""


async def events_of(database_url: str) -> Sequence[RecordedEvent]:
    """All that the log has: nothing changes any more."""
    async with PostgresEventLog(database_url).connect() as reader:
        events: list[RecordedEvent] = []
        while some := await reader.read(after=events[-1].position if events else 0, limit=1_000):
            events += some
    return events


async def all_is_sent(database_url: str, *, head: int) -> None:
    """Return once mails and changes up to a position have gone."""
    async with PostgresDeliveries(database_url).connect() as mails, PostgresWebhooks(database_url).connect() as changes:
        await until(lambda: _is_delivered(mails, head=head))
        await until(lambda: _is_sent(changes, head=head))


async def _is_sent(session: WebhookSession, *, head: int) -> bool:
    """Whether everything was sent; what a clock that was ahead has put off is tried at once, as by hand."""
    [webhook] = await session.all()
    if webhook.retry_at and webhook.retry_at > datetime.now(UTC) + AHEAD:
        await change_webhook(session, webhook.name, Webhook.resumed)
    return webhook.position >= head


async def _is_delivered(session: DeliverySession, *, head: int) -> bool:
    """Whether nothing waits but reminders; what a clock that was ahead has put off is tried at once, as by hand."""
    now = datetime.now(UTC)
    waiting = [each for each in await session.all(limit=100_000) if each.is_ordered]
    await session.retry([each.id for each in waiting if each.due_at > now], now=now)
    return not waiting and await session.checkpoint() >= head


async def differences(database_url: str, redis_url: str) -> list[str]:
    """Between Redis, the log and PostgreSQL's state, as `muster verify` finds them."""
    log, directory = PostgresEventLog(database_url), PostgresDirectory(database_url)
    verification = Verification(log=log, directory=directory, progress=unwatched())
    async with connect(redis_url) as client:
        hand = HandInRedis(client)
        verified = [await verification.verify(hand.subject(each)) for each in PROJECTIONS]
    return [str(detail) for each in verified for detail in each.details]
