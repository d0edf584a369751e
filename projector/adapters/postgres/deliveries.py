"""Deliveries that were given up, and webhooks, in the tables of the write side."""

from datetime import datetime
from functools import partial
from pathlib import Path
from typing import LiteralString
from uuid import UUID

from msgspec import UNSET
from psycopg.rows import class_row

from projector.monitoring.deliveries import DeliveriesReport, GivenUpDelivery, WebhookStatus
from shared.postgres.connection import connected, reachable

SHOWN = 50

_COUNTS = """
    select count(*) filter (where given_up_at is null), count(*) filter (where given_up_at is not null)
      from deliveries"""
_GIVEN_UP = """
    select id, reaction, account_id, position, attempts, error, given_up_at
      from deliveries where given_up_at is not null order by given_up_at, number limit %s"""
_WEBHOOKS = """
    select name,
           case when paused_at is not null then 'paused' when error is null then 'active' else 'failing' end as state,
           position, failures, coalesce(reason, error) as why, coalesce(paused_at, failing_since) as since
      from webhooks order by paused_at is null, error is null, name limit %s"""
_RETRY: LiteralString = """
    update deliveries set attempts = 0, due_at = %s, given_up_at = null
     where id = %s and given_up_at is not null returning id"""


class PostgresGivenUpDeliveries:
    """Opens a connection for each question: they are asked while a page is looked at."""

    def __init__(self, url: str, *, mail_folder: Path | None = None) -> None:
        """:param mail_folder: where mails are written to without a mail server; it may be on another machine."""
        self._mail_folder = mail_folder
        self._connected = partial(connected, url, autocommit=True)

    async def read(self) -> DeliveriesReport:
        async with self._connected() as connection:
            with reachable():
                [(waiting, given_up)] = await (await connection.execute(_COUNTS)).fetchall()
                cursor = connection.cursor(row_factory=class_row(GivenUpDelivery))
                found = await (await cursor.execute(_GIVEN_UP, (SHOWN,))).fetchall() if given_up else []
                webhook_rows = connection.cursor(row_factory=class_row(WebhookStatus))
                webhooks = await (await webhook_rows.execute(_WEBHOOKS, (SHOWN,))).fetchall()
        folder = self._mail_folder
        return DeliveriesReport(
            waiting=waiting,
            given_up=given_up,
            deliveries=found,
            webhooks=webhooks,
            mail_folder=str(folder) if folder and folder.is_dir() else UNSET,
        )

    async def retry(self, id: UUID, *, now: datetime) -> bool:
        async with self._connected() as connection:
            with reachable():
                return bool(await (await connection.execute(_RETRY, (now, id))).fetchall())
