"""What operators do with webhooks."""

from collections.abc import Callable, Sequence
from datetime import datetime
from uuid import UUID

from write_side.webhooks.ports import WebhookChanged, WebhookSession
from write_side.webhooks.signing import new_secret
from write_side.webhooks.webhook import Webhook, webhook_name, webhook_url

PAUSED_BY_HAND = "paused by an operator"

ChangeOfWebhook = Callable[[Webhook], Webhook]


def new_webhook(
    name: str,
    url: str,
    *,
    id: UUID,
    at: datetime,
    position: int,
    types: Sequence[str] = (),
    account_id: UUID | None = None,
    group_id: UUID | None = None,
    with_values: bool = False,
) -> Webhook:
    """
    Make a webhook with a secret of its own.

    :param position: behind which it begins.
    :raises ValueError: the name or the URL cannot be.
    """
    return Webhook(
        id=id,
        name=webhook_name(name),
        url=webhook_url(url),
        types=tuple(dict.fromkeys(types)),
        account_id=account_id,
        group_id=group_id,
        with_values=with_values,
        position=position,
        secret=new_secret(),
        created_at=at,
    )


async def change_webhook(session: WebhookSession, name: str, change: ChangeOfWebhook) -> Webhook:
    """
    Change a webhook as it is now: while it is being sent, it moves all the time.

    :raises WebhookNotFound: there is none of this name.
    """
    while True:
        try:
            return await session.save(change(await session.get(name)))
        except WebhookChanged:
            continue
