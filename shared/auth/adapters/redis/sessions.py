"""Sessions in Redis, so that they and the used links outlive a process."""

import time
from collections.abc import Callable
from hashlib import sha256
from math import ceil

import msgspec
from redis.asyncio import Redis

from shared.auth.principal import Principal
from shared.auth.sessions import SESSION_SECONDS, StoredSession, new_name
from shared.read_model.keys import Keyspace
from shared.redis.failures import reachable

MOST_REMEMBERED = 100

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(StoredSession).decode


class RedisSessions:
    """Remember the sessions that were found: a signed-in browser sees the page also while Redis is away."""

    def __init__(self, client: Redis, *, keyspace: Keyspace, clock: Callable[[], float] = time.time) -> None:
        self._client = client
        self._keyspace = keyspace
        self._clock = clock
        self._remembered: dict[str, StoredSession] = {}

    async def begin(self, link: Principal) -> str | None:
        """:raises Unavailable: Redis cannot be reached."""
        name, session = new_name(), StoredSession.of(link, now=self._clock())
        # For much longer than a link is good: the server's clock may be set ahead.
        used, seconds = (
            self._keyspace.used_link(link.token_id or ""),
            ceil(link.expires_at - self._clock()) + SESSION_SECONDS,
        )
        with reachable():
            if not await self._client.set(used, 1, nx=True, ex=seconds):
                return None
            await self._client.set(self._key(name), _encode(session), ex=SESSION_SECONDS)
        return name

    async def find(self, name: str) -> Principal | None:
        """:raises Unavailable: Redis cannot be reached, and it was not found before."""
        session = self._remembered.get(name) or await self._stored(name)
        if session is None or session.expires_at <= self._clock():
            self._remembered.pop(name, None)
            return None
        while len(self._remembered) >= MOST_REMEMBERED and name not in self._remembered:
            del self._remembered[next(iter(self._remembered))]
        self._remembered[name] = session
        return session.principal()

    async def _stored(self, name: str) -> StoredSession | None:
        with reachable():
            stored = await self._client.get(self._key(name))
        try:
            return None if stored is None else _decode(stored)
        except msgspec.DecodeError:  # another program's, or another release's
            return None

    def _key(self, name: str) -> str:
        """Under a hash of its name: a reader of Redis' keys learns of no session."""
        return self._keyspace.session(sha256(name.encode()).hexdigest())
