"""
Baseline: registration by hand, with psycopg's pipeline: what Muster stores, and nothing between HTTP and SQL.

A plain ASGI application and msgspec; Muster's own tables (`muster migrate` makes them), the same rows, the same two
events and the same key, one command a transaction, which is one trip. No rules but the types, no conflicts told apart,
no tokens. uvicorn with uvloop and httptools, one worker, a pool of 10 connections. As a program it does
nothing: the tables are there.
"""

import hashlib
import os
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import msgspec
from psycopg.types.json import Json
from psycopg_pool import AsyncConnectionPool

CLAIM = """
insert into command_log (subject, key, command, fingerprint, expires_at)
values ('baseline', %s, 'register-account', %s, %s)"""
ACCOUNT = """
insert into accounts (id, version, email, email_unique, handle, handle_unique, external_id, external_id_unique, status)
values (%s, 1, %s, %s, %s, %s, %s, %s, 'active')"""
PROFILE = """
insert into profiles (id, version, display_name, given_name, family_name, title, bio, locale, time_zone, picture_url,
                      links, tags, attributes)
values (%s, 1, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"""
EVENTS = """
with logged as (
    insert into event_log (event_id, aggregate, aggregate_id, version, type, schema, data, metadata, occurred_at)
    values (%s, 'account', %s, 1, 'account-registered', 1, %s, %s, %s),
           (%s, 'profile', %s, 1, 'profile-created', 1, %s, %s, %s) returning position)
update command_log set outcome_id = %s, outcome_version = 1, outcome_position = (select max(position) from logged)
 where subject = 'baseline' and key = %s returning outcome_position"""


class Registration(msgspec.Struct):
    email: str
    handle: str
    display_name: str
    external_id: str | None = None
    given_name: str | None = None
    family_name: str | None = None
    title: str | None = None
    bio: str | None = None
    locale: str | None = None
    time_zone: str | None = None
    picture_url: str | None = None
    links: dict[str, str] = {}
    tags: list[str] = []
    attributes: dict[str, str] = {}


KEYS = ("email", "handle", "external_id")
SHOWN = [name for name in Registration.__struct_fields__ if name not in KEYS]

pool = AsyncConnectionPool(os.environ["DATABASE_URL"], min_size=10, max_size=10, open=False)
decode = msgspec.json.Decoder(Registration).decode
encode = msgspec.json.Encoder().encode


async def register(command: Registration, body: bytes, key: str) -> bytes:
    id_, now = uuid4(), datetime.now(UTC)
    metadata = encode({"command": "register-account", "actor": "baseline", "correlation": key}).decode()
    registered = event("account-registered", id_, command, KEYS)
    created = event("profile-created", id_, command, SHOWN)
    keys = (command.email, command.email.lower(), command.handle, command.handle.lower())
    profile = [getattr(command, name) for name in SHOWN[:8]]
    rest = (Json(command.links), command.tags, Json(command.attributes))
    claim = (key, hashlib.sha256(body).digest(), now + timedelta(days=1))
    two = (uuid4(), id_, registered, metadata, now, uuid4(), id_, created, metadata, now)
    async with pool.connection() as connection:
        async with connection.pipeline(), connection.transaction():
            await connection.execute(CLAIM, claim)
            await connection.execute(ACCOUNT, (id_, *keys, command.external_id, command.external_id))
            await connection.execute(PROFILE, (id_, *profile, *rest))
            stored = await connection.execute(EVENTS, (*two, id_, key))
        (position,) = await stored.fetchone()
    return encode({"id": id_, "version": 1, "position": position})


def event(kind: str, id_: UUID, command: Registration, names: Any) -> str:
    return encode({"type": kind, "account_id": id_, **{name: getattr(command, name) for name in names}}).decode()


async def app(scope: dict, receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        return await lifespan(receive, send)
    if scope["path"] == "/livez":
        return await answer(send, 200, b"{}")
    body = b""
    while True:
        message = await receive()
        body += message["body"]
        if not message.get("more_body"):
            break
    key = next(value for name, value in scope["headers"] if name == b"idempotency-key").decode()
    return await answer(send, 200, await register(decode(body), body, key))


async def lifespan(receive: Any, send: Any) -> None:
    await receive()
    await pool.open(wait=True)
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await pool.close()
    await send({"type": "lifespan.shutdown.complete"})


async def answer(send: Any, status: int, body: bytes) -> None:
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
