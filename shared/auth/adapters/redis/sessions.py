"""Sessions in Redis, so that they and the used links outlive a process."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from math import ceil
from typing import NamedTuple

import msgspec
from redis.asyncio import Redis

from shared.auth.principal import Principal
from shared.auth.sessions import SEEN_SECONDS, SESSION_SECONDS, StoredSession, new_name
from shared.errors import Unavailable
from shared.read_model.keys import Keyspace
from shared.redis.client import RedisTimeouts
from shared.redis.failures import reachable

TIMEOUTS = RedisTimeouts(connect=1.0, reply=1.0)
"""Of a client that asks for sessions alone: a browser waits for it."""

MOST_REMEMBERED = 100

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(StoredSession).decode


class _Seen(NamedTuple):
    """A session, and when it was last looked for."""

    session: StoredSession
    at: float


class RedisSessions:
    """Remember the sessions that were found: a signed-in browser sees the page also while Redis is away."""

    def __init__(self, client: Redis, *, keyspace: Keyspace, clock: Callable[[], float] = time.time) -> None:
        self._client = client
        self._keyspace = keyspace
        self._clock = clock
        self._remembered: dict[str, _Seen] = {}

    async def begin(self, link: Principal) -> str | None:
        """:raises Unavailable: Redis cannot be reached."""
        # For much longer than a link is good: the server's clock may be set ahead.
        used, seconds = (
            self._keyspace.used_link(link.token_id or ""),
            ceil(link.expires_at - self._clock()) + SESSION_SECONDS,
        )
        with _answering():
            if not await self._client.set(used, 1, nx=True, ex=seconds):
                return None
        return await self._begun(link, seconds=SESSION_SECONDS)

    async def begin_by_token(self, token: Principal) -> str:
        """:raises Unavailable: Redis cannot be reached."""
        return await self._begun(token, seconds=min(SESSION_SECONDS, token.expires_at - self._clock()))

    async def find(self, name: str) -> Principal | None:
        """:raises Unavailable: Redis cannot be reached, and it was not found before."""
        session = await self._found(name)
        if session is None or session.expires_at <= self._clock():
            self._remembered.pop(name, None)
            return None
        return session.principal()

    async def end(self, name: str) -> None:
        """:raises Unavailable: Redis cannot be reached."""
        self._remembered.pop(name, None)
        with _answering():
            await self._client.delete(self._key(name))

    async def _begun(self, by: Principal, *, seconds: float) -> str:
        name, session = new_name(), StoredSession.of(by, expires_at=self._clock() + seconds)
        with _answering():
            await self._client.set(self._key(name), _encode(session), ex=max(1, ceil(seconds)))
        return name

    async def _found(self, name: str) -> StoredSession | None:
        seen, now = self._remembered.get(name), self._clock()
        if seen and 0 <= now - seen.at < SEEN_SECONDS:
            return seen.session
        try:
            session = await self._stored(name)
        except Unavailable:
            if seen is None:
                raise
            session = seen.session
        if session:
            self._remember(name, _Seen(session, now))
        return session

    def _remember(self, name: str, seen: _Seen) -> None:
        while len(self._remembered) >= MOST_REMEMBERED and name not in self._remembered:
            del self._remembered[next(iter(self._remembered))]
        self._remembered[name] = seen

    async def _stored(self, name: str) -> StoredSession | None:
        with _answering():
            stored = await self._client.get(self._key(name))
        try:
            return None if stored is None else _decode(stored)
        except msgspec.DecodeError:  # another program's, or another release's
            return None

    def _key(self, name: str) -> str:
        """Under a hash of its name: a reader of Redis' keys learns of no session."""
        return self._keyspace.session(sha256(name.encode()).hexdigest())


@contextmanager
def _answering() -> Iterator[None]:
    """:raises Unavailable: Redis cannot be reached; in words for a person at a sign-in page."""
    try:
        with reachable():
            yield
    except Unavailable as error:
        raise Unavailable("Redis, which keeps the sessions of browsers, does not answer") from error
