"""Which layouts there are, as it is recorded in Redis."""

from redis.asyncio import Redis

from projector.adapters.redis.failures import ported
from projector.store.layouts import LayoutChange
from shared.read_model.keys import HOME
from shared.read_model.layouts import WHERE, Layouts, recorded
from shared.redis.pipelined import pipelined


class RedisLayoutRecord:
    """Uses `client`, which reaches home; it must never send anything twice, see `client.connect`."""

    def __init__(self, client: Redis) -> None:
        self._client = client

    async def read(self) -> Layouts | None:
        with ported(HOME.projection("profiles")):
            async with pipelined(self._client) as redis:
                ((record, live_at_home),) = await redis.execute(("MGET", *WHERE))
                return recorded(record, live_at_home)

    async def change(self, change: LayoutChange) -> Layouts:
        with ported(HOME.projection("profiles")):
            async with pipelined(self._client) as redis:
                _, (record, live_at_home) = await redis.execute(("WATCH", *WHERE), ("MGET", *WHERE))
                layouts = change(recorded(record, live_at_home))
                await redis.transact(("SET", HOME.partitions, layouts.encoded))
                return layouts
