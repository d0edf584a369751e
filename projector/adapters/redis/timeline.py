"""The figures of the last hour in Redis: a hash with a field for each minute, which is overwritten an hour later."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

import msgspec
from redis.asyncio import Redis

from projector.monitoring.timeline import MINUTES, Point
from shared.read_model.keys import Keyspace
from shared.redis.failures import reachable


class RedisTimelineStore:
    """Costs one command for all points; projectors that stand by write the same as who feeds."""

    def __init__(self, client: Redis, *, keyspace: Keyspace) -> None:
        self._client = client
        self._key = keyspace.timeline

    async def read(self) -> Sequence[Point]:
        with reachable():
            kept: Any = await self._client.hvals(self._key)
        return list(_known(kept))

    async def keep(self, points: Sequence[Point]) -> None:
        fields: dict[Any, Any] = {str(each.minute % MINUTES): msgspec.json.encode(each) for each in points}
        with reachable():
            await self._client.hset(self._key, mapping=fields)


def _known(kept: Sequence[bytes]) -> Iterator[Point]:
    """Leave out what another release keeps in another shape: it is gone within an hour."""
    for each in kept:
        with suppress(msgspec.DecodeError):
            yield msgspec.json.decode(each, type=Point)
