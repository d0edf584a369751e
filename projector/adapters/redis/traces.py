"""All that Redis holds, in portions that keep no other client waiting."""

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from functools import partial
from itertools import chain
from typing import Any

from redis.asyncio import Redis

from shared.errors import Unavailable
from shared.redis.failures import reachable

PORTION = 500
KEYS = "(names of keys)"
"""The place of the names of all keys."""


class RedisTraces:
    """Reads every key that `client` reaches, whichever program wrote it."""

    def __init__(self, client: Redis, *, portion: int = PORTION) -> None:
        """:param portion: how much is asked for at once."""
        self._client = client
        self._portion = portion
        self._readers: Mapping[bytes, Callable[[bytes], AsyncIterator[Sequence[bytes]]]] = {
            b"hash": partial(self._scanned, client.hscan),
            b"set": partial(self._scanned, client.sscan),
            b"zset": partial(self._scanned, client.zscan),
            b"string": self._string,
            b"list": self._list,
            b"stream": self._messages,
        }

    async def require_readable(self) -> None:
        """:raises Unavailable: something is of a kind that only a module can read, or is not for this user."""
        with reachable():
            async for keys in self._portions(self._client.scan):
                for key in keys:
                    async with aclosing(self._entries(key)) as entries:
                        await anext(entries, None)

    async def contents(self) -> AsyncIterator[tuple[str, Sequence[bytes]]]:
        with reachable():
            async for keys in self._portions(self._client.scan):
                yield KEYS, keys
                for key in keys:
                    async for entries in self._entries(key):
                        yield key.decode("utf-8", "replace"), entries

    async def _entries(self, key: bytes) -> AsyncGenerator[Sequence[bytes], None]:
        kind: Any = await self._client.type(key)
        if kind == b"none":  # gone since it was listed
            return
        if (read := self._readers.get(kind)) is None:
            raise Unavailable(f"Redis: {key.decode('utf-8', 'replace')} cannot be read, it is a {kind.decode()}")
        async for entries in read(key):
            yield entries

    async def _scanned(self, scan: Callable[..., Awaitable[Any]], key: bytes) -> AsyncIterator[Sequence[bytes]]:
        async for entries in self._portions(scan, key):
            yield [_joined(each) for each in (entries.items() if isinstance(entries, dict) else entries)]

    async def _string(self, key: bytes) -> AsyncIterator[Sequence[bytes]]:
        value: Any = await self._client.get(key)
        yield [value or b""]

    async def _list(self, key: bytes) -> AsyncIterator[Sequence[bytes]]:
        found: Any = self._client.lrange(key, 0, -1)
        yield list(await found)

    async def _messages(self, key: bytes) -> AsyncIterator[Sequence[bytes]]:
        found: Any = await self._client.xrange(key, count=self._portion)
        while found:
            yield [b"\0".join(chain.from_iterable(fields.items())) for _, fields in found]
            last, _ = found[-1]
            found = await self._client.xrange(key, min=f"({last.decode()}", count=self._portion)

    async def _portions(self, scan: Callable[..., Awaitable[Any]], *key: bytes) -> AsyncIterator[Any]:
        """Give what a scan finds, reply by reply (SCAN and its like: the cursor is 0 at the end)."""
        cursor, is_first = 0, True
        while cursor or is_first:
            is_first = False
            cursor, found = await scan(*key, cursor=cursor, count=self._portion)
            if found:
                yield found


def _joined(entry: Any) -> bytes:
    """A field and its value in one; of an entry with a score, the entry."""
    match entry:
        case (bytes() as field, bytes() as value):
            return field + b"\0" + value
        case (bytes() as member, _):
            return member
        case _:
            return bytes(entry)
