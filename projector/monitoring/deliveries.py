"""What `muster react` sends as operators see it: deliveries that wait or were given up, and webhooks."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

import msgspec


class GivenUpDelivery(msgspec.Struct, frozen=True, kw_only=True):
    """
    What is tried no more.

    :param error: why the last attempt failed.
    """

    id: UUID
    reaction: str
    account_id: UUID
    position: int
    attempts: int
    error: str | None
    given_up_at: datetime


class WebhookStatus(msgspec.Struct, frozen=True, kw_only=True):
    """
    A webhook, without its URL, in which a secret may stand.

    :param state: `active`, `failing` or `paused`.
    :param position: of the log, up to which it was sent everything.
    :param why: it was paused, or its last attempt failed.
    :param since: when.
    """

    name: str
    state: str
    position: int
    failures: int
    why: str | None
    since: datetime | None


class DeliveriesReport(msgspec.Struct, frozen=True, kw_only=True):
    """
    How many deliveries there are.

    :param deliveries: the oldest of those that were given up.
    :param webhooks: those that are paused first, then those that fail.
    :param mail_folder: where mails are written to, if that is so, one file each: `<id of the delivery>.eml`.
    """

    waiting: int
    given_up: int
    deliveries: Sequence[GivenUpDelivery]
    webhooks: Sequence[WebhookStatus] = ()
    mail_folder: str | msgspec.UnsetType = msgspec.UNSET


class DeliveryRetried(msgspec.Struct, frozen=True, kw_only=True):
    """What was ordered: `muster react` tries it within seconds; one that fails again waits, and is no more given up."""

    id: UUID
    retried: bool


class GivenUpDeliveries(Protocol):
    """Every method raises `Unavailable`."""

    async def read(self) -> DeliveriesReport:
        """Read how many there are, the first that were given up, and how webhooks do."""

    async def retry(self, id: UUID, *, now: datetime) -> bool:
        """Have one tried again as if it never had been; return whether there is one that was given up."""


def path_of(delivery: GivenUpDelivery) -> str:
    """Return where the API has it."""
    return f"/deliveries/{delivery.id}"
