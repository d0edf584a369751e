"""How much the bus has still to do."""

from prometheus_client import Gauge
from redis.asyncio import Redis

from shared.redis.failures import reachable
from write_side.bus.entries import commands

_BACKLOG = Gauge(
    "muster_bus_backlog_messages",
    "Messages of a shard that are not answered yet.",
    ("shard",),
    multiprocess_mode="livesum",
)


class Backlog:
    """:param shards: how many there are."""

    def __init__(self, client: Redis, *, shards: int) -> None:
        self._client = client
        self._shards = shards

    async def require_answering(self) -> None:
        """:raises Unavailable: the Redis of the bus does not answer."""
        with reachable():
            await self._client.exists(commands(0))

    async def measure(self) -> None:
        """:raises Unavailable: the Redis of the bus does not answer."""
        with reachable():
            async with self._client.pipeline(transaction=False) as pipe:
                for shard in range(self._shards):
                    pipe.xlen(commands(shard))
                lengths = await pipe.execute()
        for shard, length in enumerate(lengths):
            _BACKLOG.labels(str(shard)).set(length)
