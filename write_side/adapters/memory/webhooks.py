"""Webhooks in memory."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from uuid import UUID

import msgspec

from write_side.adapters.memory.database import MemoryDatabase
from write_side.adapters.memory.repositories import names_group
from write_side.domain.errors import GroupNotFound
from write_side.domain.references import GroupRef
from write_side.webhooks.ports import WebhookChanged, WebhookExists, WebhookNotFound
from write_side.webhooks.webhook import Webhook


class MemoryWebhooks:
    """Keeps webhooks beside a database in memory, and is away when that is."""

    def __init__(self, database: MemoryDatabase) -> None:
        self.database = database
        self.kept: dict[UUID, Webhook] = {}

    @asynccontextmanager
    async def connect(self) -> AsyncIterator["MemoryWebhookSession"]:
        session = MemoryWebhookSession(self)
        await session.all()
        yield session


class MemoryWebhookSession:
    def __init__(self, webhooks: MemoryWebhooks) -> None:
        self._all = webhooks

    async def all(self) -> Sequence[Webhook]:
        self._all.database.require_available()
        return sorted(self._all.kept.values(), key=lambda each: each.name)

    async def get(self, name: str) -> Webhook:
        for each in await self.all():
            if each.name == name:
                return each
        raise WebhookNotFound(name)

    async def add(self, webhook: Webhook) -> None:
        if any(each.name == webhook.name for each in await self.all()):
            raise WebhookExists(webhook.name)
        self._all.kept[webhook.id] = webhook

    async def save(self, webhook: Webhook) -> Webhook:
        self._all.database.require_available()
        kept = self._all.kept.get(webhook.id)
        if kept is None or kept.revision != webhook.revision:
            raise WebhookChanged(webhook.name)
        saved = msgspec.structs.replace(webhook, revision=webhook.revision + 1)
        self._all.kept[webhook.id] = saved
        return saved

    async def remove(self, name: str) -> None:
        del self._all.kept[(await self.get(name)).id]

    async def group_id(self, ref: GroupRef) -> UUID:
        self._all.database.require_available()
        if isinstance(ref.by, UUID):
            return ref.by
        for each in self._all.database.groups.values():
            if names_group(ref, each):
                return each.id
        raise GroupNotFound(ref)

    async def has_account(self, id: UUID) -> bool:
        self._all.database.require_available()
        return id in self._all.database.accounts
