"""Deliveries that were given up, in memory."""

from datetime import datetime
from uuid import UUID

from projector.monitoring.deliveries import DeliveriesReport, GivenUpDelivery


class MemoryGivenUpDeliveries:
    def __init__(self, *deliveries: GivenUpDelivery) -> None:
        self._given_up = {each.id: each for each in deliveries}
        self.retried: dict[UUID, datetime] = {}

    async def read(self) -> DeliveriesReport:
        found = sorted(self._given_up.values(), key=lambda each: each.given_up_at)
        return DeliveriesReport(waiting=len(self.retried), given_up=len(found), deliveries=found)

    async def retry(self, id: UUID, *, now: datetime) -> bool:
        if self._given_up.pop(id, None) is None:
            return False
        self.retried[id] = now
        return True
