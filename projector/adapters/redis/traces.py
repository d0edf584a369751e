"""All that Redis holds, in portions that hold nobody up."""

from collections.abc import AsyncIterator, Sequence
from typing import Any

from redis.asyncio import Redis

from projector.adapters.redis.client import reachable

PORTION = 500


class RedisTraces:
    """Reads every key that `client` reaches, whoever wrote it."""

    def __init__(self, client: Redis) -> None:
        self._client = client

    async def everything(self) -> AsyncIterator[tuple[str, Sequence[bytes]]]:
        """
        Each value, field or entry with the key it stands at; what has a name and a value comes with both.

        What stands there throughout is given at least once.
        """
        with reachable():
            async for key in self._client.scan_iter(count=PORTION):
                async for parts in self._values(key):
                    yield key.decode("utf-8", "replace"), (key, *parts)

    async def _values(self, key: bytes) -> AsyncIterator[Sequence[bytes]]:
        kind: Any = await self._client.type(key)
        match kind:
            case b"string":
                value: Any = await self._client.get(key)
                yield (value or b"",)
            case b"hash":
                async for field, value in self._client.hscan_iter(key, count=PORTION):
                    yield field, value
            case b"zset":
                async for entry, _ in self._client.zscan_iter(key, count=PORTION):
                    yield (entry,)
            case b"set":
                async for member in self._client.sscan_iter(key, count=PORTION):
                    yield (member,)
            case b"list":
                for each in await self._values_of_list(key):
                    yield (each,)

    async def _values_of_list(self, key: bytes) -> list[bytes]:
        found: Any = self._client.lrange(key, 0, -1)
        return list(await found)
