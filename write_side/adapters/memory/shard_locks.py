"""Locks of the bus' shards among consumers in one process."""

from shared.errors import Unavailable


class MemoryShards:
    """Which consumers there are, and which shard is whose."""

    def __init__(self) -> None:
        self.consumers: set[MemoryShardLocks] = set()
        self.owners: dict[int, MemoryShardLocks] = {}


class MemoryShardLocks:
    """The locks of one consumer."""

    def __init__(self, shards: MemoryShards) -> None:
        self._shards = shards

    async def consumers(self) -> int:
        self._shards.consumers.add(self)
        return len(self._shards.consumers)

    async def take(self, shard: int) -> bool:
        await self.require()
        return self._shards.owners.setdefault(shard, self) is self

    async def give_up(self, shard: int) -> None:
        await self.require()
        del self._shards.owners[shard]

    async def require(self) -> None:
        if self not in self._shards.consumers:
            raise Unavailable("this consumer has no locks")

    async def aclose(self) -> None:
        self._shards.consumers.discard(self)
        for shard in [shard for shard, owner in self._shards.owners.items() if owner is self]:
            del self._shards.owners[shard]
