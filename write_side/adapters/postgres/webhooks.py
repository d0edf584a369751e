"""Webhooks in PostgreSQL. Every method is one statement, and so one transaction; no command waits for any."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import msgspec
import psycopg
from psycopg.abc import Params

from shared.postgres.arguments import POSTGRES_LIMITS, PostgresLimits
from shared.postgres.connection import connected, reachable
from shared.postgres.terminate import answered_within
from write_side.domain.errors import GroupNotFound
from write_side.domain.references import GroupRef
from write_side.webhooks.ports import WebhookChanged, WebhookExists, WebhookNotFound
from write_side.webhooks.webhook import Webhook

_FIELDS = Webhook.__struct_fields__
_COLUMNS = ", ".join(_FIELDS)
_CHANGEABLE = [each for each in _FIELDS if each not in {"id", "created_at", "revision"}]
_ALL = f"select {_COLUMNS} from webhooks order by name"  # noqa: S608
_GET = f"select {_COLUMNS} from webhooks where name = %s"  # noqa: S608
_ADD = f"""
    insert into webhooks ({_COLUMNS}) values ({", ".join(f"%({each})s" for each in _FIELDS)})
    on conflict do nothing returning id"""  # noqa: S608
_SAVE = f"""
    update webhooks set {", ".join(f"{each} = %({each})s" for each in _CHANGEABLE)}, revision = revision + 1
     where id = %(id)s and revision = %(revision)s returning {_COLUMNS}"""  # noqa: S608
_REMOVE = "delete from webhooks where name = %s returning id"
_GROUP_ID = "select id from groups where slug_unique = %s"
_HAS_ACCOUNT = "select exists (select from accounts where id = %s)"


class PostgresWebhooks:
    def __init__(self, url: str, *, postgres: PostgresLimits = POSTGRES_LIMITS) -> None:
        """:param url: `postgresql://…` of the primary; several hosts are allowed."""
        self._url = url
        self._postgres = postgres

    @asynccontextmanager
    async def connect(self) -> AsyncIterator["PostgresWebhookSession"]:
        async with connected(self._url, autocommit=True, limits=self._postgres) as connection:
            yield PostgresWebhookSession(connection, answer_seconds=self._postgres.answer_seconds)


class PostgresWebhookSession:
    def __init__(self, connection: psycopg.AsyncConnection, *, answer_seconds: float) -> None:
        self._connection = connection
        self._answer_seconds = answer_seconds

    async def all(self) -> Sequence[Webhook]:
        return [_webhook(row) for row in await self._rows(_ALL)]

    async def get(self, name: str) -> Webhook:
        for row in await self._rows(_GET, (name,)):
            return _webhook(row)
        raise WebhookNotFound(name)

    async def add(self, webhook: Webhook) -> None:
        if not await self._rows(_ADD, _parameters(webhook)):
            raise WebhookExists(webhook.name)

    async def save(self, webhook: Webhook) -> Webhook:
        for row in await self._rows(_SAVE, _parameters(webhook)):
            return _webhook(row)
        raise WebhookChanged(webhook.name)

    async def remove(self, name: str) -> None:
        if not await self._rows(_REMOVE, (name,)):
            raise WebhookNotFound(name)

    async def group_id(self, ref: GroupRef) -> UUID:
        if isinstance(ref.by, UUID):
            return ref.by
        for (id_,) in await self._rows(_GROUP_ID, (ref.by.unique,)):
            found: UUID = id_
            return found
        raise GroupNotFound(ref)

    async def has_account(self, id: UUID) -> bool:
        [[found]] = await self._rows(_HAS_ACCOUNT, (id,))
        return bool(found)

    async def _rows(self, query: str, parameters: Params | None = None) -> list[Any]:
        with reachable(), answered_within(self._connection, seconds=self._answer_seconds):
            return await (await self._connection.execute(query, parameters)).fetchall()


def _webhook(row: Sequence[Any]) -> Webhook:
    named = dict(zip(_FIELDS, row, strict=True))
    return Webhook(**{**named, "types": tuple(named["types"])})


def _parameters(webhook: Webhook) -> dict[str, Any]:
    named = msgspec.structs.asdict(webhook)
    return {**named, "types": list(webhook.types)}
