"""Deliveries of `muster react` as operators see them: what waits, and what was given up."""

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


class DeliveriesReport(msgspec.Struct, frozen=True, kw_only=True):
    """
    How many deliveries there are.

    :param deliveries: the oldest of those that were given up.
    """

    waiting: int
    given_up: int
    deliveries: Sequence[GivenUpDelivery]


class DeliveryRetried(msgspec.Struct, frozen=True, kw_only=True):
    """What was ordered: `muster react` tries it within seconds; one that fails again waits, and is no more given up."""

    id: UUID
    retried: bool


class GivenUpDeliveries(Protocol):
    """Every method raises `Unavailable`."""

    async def read(self) -> DeliveriesReport:
        """Read how many there are, and the first that were given up."""

    async def retry(self, id: UUID, *, now: datetime) -> bool:
        """Have one tried again as if it never had been; return whether there is one that was given up."""


def path_of(delivery: GivenUpDelivery) -> str:
    """Return where the API has it."""
    return f"/deliveries/{delivery.id}"
