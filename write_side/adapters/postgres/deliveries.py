"""
Deliveries in PostgreSQL.

One process at a time schedules and carries out: it holds an advisory lock of the very session in which it does so. A
process that is killed, or loses its session, has lost the lock with it, and what it was about is due as before: there
are no claims to run out. Every method is one statement, and so one transaction, which recipients and ends of several
deliveries share; no command waits for any.
"""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
import psycopg
from psycopg.abc import Params

from shared.event_log import UnknownEvent
from shared.event_log.codec import decode
from shared.events import Event
from shared.postgres.arguments import POSTGRES_LIMITS, PostgresLimits
from shared.postgres.connection import connected, reachable
from shared.postgres.terminate import answered_within
from shared.runtime.turns import TakingTurns
from write_side.adapters.postgres.rows import as_json
from write_side.domain.account import AccountStatus
from write_side.domain.values import EmailAddress
from write_side.ports import Delivery, DeliveryCounts, LeadLost, Recipient

# Two numbers that keep this lock apart from other advisory locks. A server that does not hear of the death of a machine
# would hold it for hours: so it asks.
_TRY_TO_LEAD = "select pg_try_advisory_lock(1382375235, 1)"
_KEEPALIVE = """
    select set_config('tcp_keepalives_idle', '10', false), set_config('tcp_keepalives_interval', '5', false),
           set_config('tcp_keepalives_count', '3', false)"""

_FIELDS = Delivery.__struct_fields__
_COLUMNS = ", ".join(_FIELDS)
_NEW = "id, reaction, channel, endpoint, account_id, event_id, position, version, is_ordered, due_at"
_CHECKPOINT = "select position from reaction_checkpoint"
_SCHEDULE = f"""
    with moved as (
        update reaction_checkpoint set position = %(until)s where position = %(after)s returning position
    ), stored as (
        insert into deliveries ({_NEW})
        select {_NEW}
          from json_to_recordset(%(rows)s::json)
               as r (nth integer, id uuid, reaction text, channel text, endpoint text, account_id uuid, event_id uuid,
                     position bigint, version integer, is_ordered boolean, due_at timestamptz)
         where exists (select from moved)
         order by nth
    )
    select count(*) from moved"""  # noqa: S608
_DUE = f"""
    select {_COLUMNS} from deliveries d
     where channel = %(channel)s and given_up_at is null and due_at <= %(now)s and id <> all (%(besides)s)
       and (not is_ordered or not exists (
               select from deliveries e
                where (e.account_id, e.channel, e.endpoint) = (d.account_id, d.channel, d.endpoint)
                  and e.is_ordered and e.given_up_at is null and e.number < d.number))
     order by due_at, number limit %(limit)s"""  # noqa: S608
_HAS = "select exists (select from deliveries where id = %s)"
_NEXT_DUE = """
    select min(next.due_at)
      from unnest(%(channels)s::text[]) as of (channel), lateral (
           select min(due_at) as due_at from deliveries d
            where d.channel = of.channel and given_up_at is null and due_at > %(after)s) as next"""
_DONE = "delete from deliveries where id = any (%s)"
_FORGET = "delete from deliveries where account_id = %s and position < %s"
_DEFER = "update deliveries set attempts = attempts + 1, due_at = %s, error = %s where id = %s"
_GIVE_UP = "update deliveries set attempts = attempts + 1, given_up_at = %s, error = %s where id = %s"
_RETRY = """
    update deliveries set attempts = 0, due_at = %(now)s, given_up_at = null
     where case when %(ids)s::uuid[] is null then given_up_at is not null else id = any (%(ids)s) end returning id"""
_ALL = f"""
    select {_COLUMNS} from deliveries order by given_up_at is null, due_at, number limit %s"""  # noqa: S608
_COUNTS = """
    select count(*) filter (where given_up_at is null), count(*) filter (where given_up_at is not null)
      from deliveries"""
_RECIPIENT = """
    select account.id, account.version, email, email_version, email_verified, status, locale
      from accounts account join profiles profile on profile.id = account.id where account.id = any (%s)"""
_EVENT_IDS = "select event_id from event_log where aggregate = 'account' and aggregate_id = %s"
_EVENT = "select data, type, schema from event_log where event_id = %s"


class PostgresDeliveries:
    def __init__(self, url: str, *, postgres: PostgresLimits = POSTGRES_LIMITS) -> None:
        """:param url: `postgresql://…` of the primary; several hosts are allowed."""
        self._url = url
        self._postgres = postgres

    @asynccontextmanager
    async def connect(self) -> AsyncIterator["PostgresDeliverySession"]:
        async with connected(self._url, autocommit=True, limits=self._postgres) as connection:
            yield PostgresDeliverySession(connection, answer_seconds=self._postgres.answer_seconds)


class PostgresDeliverySession:
    def __init__(self, connection: psycopg.AsyncConnection, *, answer_seconds: float) -> None:
        self._connection = connection
        self._answer_seconds = answer_seconds
        self._recipient = TakingTurns(self._recipients)
        self._end = TakingTurns(self._delete)

    async def try_to_lead(self) -> bool:
        await self._rows(_KEEPALIVE)
        return bool(await self._one(_TRY_TO_LEAD))

    async def checkpoint(self) -> int:
        return int(await self._one(_CHECKPOINT))

    async def schedule(self, deliveries: Sequence[Delivery], *, after: int, until: int) -> None:
        rows = [{"nth": nth, **msgspec.structs.asdict(each)} for nth, each in enumerate(deliveries)]
        if not await self._one(_SCHEDULE, {"rows": as_json(rows), "after": after, "until": until}):
            raise LeadLost(f"events were to be scheduled from position {after} on")

    async def due(
        self, channel: str, *, now: datetime, limit: int, besides: Collection[UUID] = ()
    ) -> Sequence[Delivery]:
        return await self._deliveries(_DUE, {"channel": channel, "now": now, "limit": limit, "besides": list(besides)})

    async def has(self, id: UUID) -> bool:
        return bool(await self._one(_HAS, (id,)))

    async def next_due(self, channels: Collection[str], *, after: datetime) -> datetime | None:
        due: datetime | None = await self._one(_NEXT_DUE, {"channels": list(channels), "after": after})
        return due

    async def done(self, delivery: Delivery) -> None:
        await self._end(delivery.id)

    async def forget(self, delivery: Delivery) -> None:
        await self._rows(_FORGET, (delivery.account_id, delivery.position))

    async def event_ids(self, account_id: UUID) -> Sequence[UUID]:
        return [id_ for (id_,) in await self._rows(_EVENT_IDS, (account_id,))]

    async def defer(self, delivery: Delivery, *, until: datetime, error: str) -> None:
        await self._rows(_DEFER, (until, error, delivery.id))

    async def give_up(self, delivery: Delivery, *, at: datetime, error: str) -> None:
        await self._rows(_GIVE_UP, (at, error, delivery.id))

    async def retry(self, ids: Collection[UUID] | None, *, now: datetime) -> int:
        return len(await self._rows(_RETRY, {"now": now, "ids": None if ids is None else list(ids)}))

    async def all(self, *, limit: int) -> Sequence[Delivery]:
        return await self._deliveries(_ALL, (limit,))

    async def counts(self) -> DeliveryCounts:
        [row] = await self._rows(_COUNTS)
        return DeliveryCounts(*row)

    async def recipient(self, account_id: UUID) -> Recipient | None:
        return await self._recipient(account_id)

    async def _recipients(self, account_ids: Sequence[UUID]) -> Mapping[UUID, Recipient]:
        return {row[0]: _recipient_of(row) for row in await self._rows(_RECIPIENT, (list(account_ids),))}

    async def _delete(self, ids: Sequence[UUID]) -> Mapping[UUID, None]:
        await self._rows(_DONE, (list(ids),))
        return {}

    async def event(self, delivery: Delivery) -> Event | UnknownEvent | None:
        for data, type_name, schema in await self._rows(_EVENT, (delivery.event_id,)):
            return decode(data, type_name=type_name, schema=schema)
        return None

    async def _deliveries(self, query: str, parameters: Params) -> Sequence[Delivery]:
        return [Delivery(**dict(zip(_FIELDS, row, strict=True))) for row in await self._rows(query, parameters)]

    async def _one(self, query: str, parameters: Params | None = None) -> Any:
        [[value]] = await self._rows(query, parameters)
        return value

    async def _rows(self, query: str, parameters: Params | None = None) -> list[Any]:
        with reachable(), answered_within(self._connection, seconds=self._answer_seconds):
            cursor = await self._connection.execute(query, parameters)
            return await cursor.fetchall() if cursor.description else []


def _recipient_of(row: Sequence[Any]) -> Recipient:
    id_, version, email, email_version, email_verified, status, locale = row
    return Recipient(
        account_id=id_,
        version=version,
        email=EmailAddress(email),
        email_version=email_version,
        email_verified=email_verified,
        status=AccountStatus(status),
        locale=locale,
    )
