"""Deliveries in memory."""

from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from uuid import UUID

import msgspec

from shared.event_log import UnknownEvent
from shared.events import Event
from write_side.adapters.memory.database import MemoryDatabase
from write_side.ports import Delivery, DeliveryCounts, LeadLost, Recipient


class MemoryDeliveries:
    """Keeps deliveries beside a database in memory, and is away when that is."""

    def __init__(self, database: MemoryDatabase) -> None:
        self.database = database
        self.kept: dict[UUID, Delivery] = {}
        self.position = 0
        self.leading: MemoryDeliverySession | None = None

    @asynccontextmanager
    async def connect(self) -> AsyncIterator["MemoryDeliverySession"]:
        session = MemoryDeliverySession(self)
        await session.checkpoint()
        try:
            yield session
        finally:
            if self.leading is session:
                self.leading = None


class MemoryDeliverySession:
    def __init__(self, deliveries: MemoryDeliveries) -> None:
        self._all = deliveries

    async def try_to_lead(self) -> bool:
        self._all.database.require_available()
        self._all.leading = self._all.leading or self
        return self._all.leading is self

    async def checkpoint(self) -> int:
        self._all.database.require_available()
        return self._all.position

    async def schedule(self, deliveries: Sequence[Delivery], *, after: int, until: int) -> None:
        self._all.database.require_available()
        if self._all.position != after:
            raise LeadLost(f"events were to be scheduled from position {after} on")
        self._all.position = until
        self._all.kept |= {each.id: each for each in deliveries}

    async def due(
        self, channel: str, *, now: datetime, limit: int, besides: Collection[UUID] = ()
    ) -> Sequence[Delivery]:
        self._all.database.require_available()
        first = [each for each in self._first_in_order() if each.channel == channel]
        found = [each for each in first if each.due_at <= now and each.id not in besides]
        return sorted(found, key=lambda each: each.due_at)[:limit]

    async def has(self, id: UUID) -> bool:
        self._all.database.require_available()
        return id in self._all.kept

    async def next_due(self, channels: Collection[str], *, after: datetime) -> datetime | None:
        waiting = [each.due_at for each in self._waiting() if each.channel in channels]
        return min((due_at for due_at in waiting if due_at > after), default=None)

    async def done(self, delivery: Delivery) -> None:
        self._all.database.require_available()
        self._all.kept.pop(delivery.id, None)

    async def forget(self, delivery: Delivery) -> None:
        self._all.database.require_available()
        about = [each for each in self._all.kept.values() if each.account_id == delivery.account_id]
        for each in about:
            if each.position < delivery.position:
                del self._all.kept[each.id]

    async def event_ids(self, account_id: UUID) -> Sequence[UUID]:
        self._all.database.require_available()
        return [each.event_id for each in self._all.database.log.events if each.aggregate_id == account_id]

    async def defer(self, delivery: Delivery, *, until: datetime, error: str) -> None:
        self._change(delivery.id, attempts=delivery.attempts + 1, due_at=until, error=error)

    async def give_up(self, delivery: Delivery, *, at: datetime, error: str) -> None:
        self._change(delivery.id, attempts=delivery.attempts + 1, given_up_at=at, error=error)

    async def retry(self, ids: Collection[UUID] | None, *, now: datetime) -> int:
        self._all.database.require_available()
        given_up = [each.id for each in self._all.kept.values() if each.given_up_at]
        found = given_up if ids is None else [each for each in ids if each in self._all.kept]
        for each in found:
            self._change(each, attempts=0, due_at=now, given_up_at=None)
        return len(found)

    async def all(self, *, limit: int) -> Sequence[Delivery]:
        self._all.database.require_available()
        return sorted(self._all.kept.values(), key=lambda each: (each.given_up_at is None, each.due_at))[:limit]

    async def counts(self) -> DeliveryCounts:
        waiting = len(self._waiting())
        return DeliveryCounts(waiting, len(self._all.kept) - waiting)

    async def recipient(self, account_id: UUID) -> Recipient | None:
        self._all.database.require_available()
        if (account := self._all.database.accounts.get(account_id)) is None:
            return None
        locale = self._all.database.profiles[account_id].locale
        return Recipient(
            account_id=account.id,
            version=account.version,
            email=account.email,
            email_version=account.email_version,
            email_verified=account.email_verified,
            status=account.status,
            locale=locale and str(locale),
        )

    async def event(self, delivery: Delivery) -> Event | UnknownEvent | None:
        self._all.database.require_available()
        events = self._all.database.log.events
        return next((each.event for each in events if each.event_id == delivery.event_id), None)

    def _first_in_order(self) -> Sequence[Delivery]:
        """Return those that are not behind an earlier one, in the order in which they were scheduled."""
        seen: set[tuple[UUID, str, str]] = set()
        first = []
        for each in self._waiting():
            way = (each.account_id, each.channel, each.endpoint)
            if not each.is_ordered or way not in seen:
                first.append(each)
            if each.is_ordered:
                seen.add(way)
        return first

    def _waiting(self) -> Sequence[Delivery]:
        self._all.database.require_available()
        return [each for each in self._all.kept.values() if each.given_up_at is None]

    def _change(self, id: UUID, **changes: object) -> None:
        self._all.database.require_available()
        if id in self._all.kept:  # it may have been forgotten while it was under way
            self._all.kept[id] = msgspec.structs.replace(self._all.kept[id], **changes)
