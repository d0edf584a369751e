"""Deliveries that were given up, in memory."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from msgspec import UNSET, UnsetType

from projector.monitoring.deliveries import DeliveriesReport, GivenUpDelivery, WebhookStatus


class MemoryGivenUpDeliveries:
    def __init__(
        self,
        *deliveries: GivenUpDelivery,
        webhooks: Sequence[WebhookStatus] = (),
        mail_folder: str | UnsetType = UNSET,
    ) -> None:
        self._besides: dict[str, Any] = {"webhooks": webhooks, "mail_folder": mail_folder}
        self._given_up = {each.id: each for each in deliveries}
        self.retried: dict[UUID, datetime] = {}

    async def read(self) -> DeliveriesReport:
        found = sorted(self._given_up.values(), key=lambda each: each.given_up_at)
        waiting = len(self.retried)
        return DeliveriesReport(waiting=waiting, given_up=len(found), deliveries=found, **self._besides)

    async def retry(self, id: UUID, *, now: datetime) -> bool:
        if self._given_up.pop(id, None) is None:
            return False
        self.retried[id] = now
        return True
