"""All that Redis holds, in portions that keep no other client waiting."""

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing
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

    def __init__(self, client: Redis) -> None:
        self._client = client
        self._scans: dict[bytes, Callable[..., Awaitable[Any]]] = {
            b"hash": client.hscan,
            b"set": client.sscan,
            b"zset": client.zscan,
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
        if kind in self._scans:
            async for entries in self._portions(self._scans[kind], key):
                yield [_joined(each) for each in (entries.items() if kind == b"hash" else entries)]
        elif kind == b"string":
            value: Any = await self._client.get(key)
            yield [value or b""]
        elif kind == b"list":
            found: Any = self._client.lrange(key, 0, -1)
            yield list(await found)
        elif kind == b"stream":
            async for messages in self._messages(key):
                yield messages
        elif kind != b"none":  # gone since it was listed
            name = key.decode("utf-8", "replace")
            raise Unavailable(f"Redis: {name} cannot be read, it is a {kind.decode()}")

    async def _messages(self, key: bytes) -> AsyncIterator[Sequence[bytes]]:
        found: Any = await self._client.xrange(key, count=PORTION)
        while found:
            yield [b"\0".join(chain.from_iterable(fields.items())) for _, fields in found]
            last, _ = found[-1]
            found = await self._client.xrange(key, min=f"({last.decode()}", count=PORTION)

    async def _portions(self, scan: Callable[..., Awaitable[Any]], *key: bytes) -> AsyncIterator[Any]:
        """Give what a scan finds, reply by reply (SCAN and its like: the cursor is 0 at the end)."""
        cursor, is_first = 0, True
        while cursor or is_first:
            is_first = False
            cursor, found = await scan(*key, cursor=cursor, count=PORTION)
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
