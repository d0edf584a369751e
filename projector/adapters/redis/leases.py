"""The projectors' leases in Redis."""

from collections.abc import Collection, Sequence

import msgspec
from redis.asyncio import Redis
from redis.exceptions import WatchError

from projector.processing.limits import LeadershipLimits
from projector.store.ports import Candidate, Candidates, LeaseName
from shared.read_model.keys import Keyspace
from shared.redis.failures import reachable
from shared.redis.pipelined import PipelinedConnection, pipelined


class RedisLease:
    """
    Each lease names a projector, and each projector has a sign of life, which runs out unless it is renewed.

    A lease is held as long as there is a sign of life of who it names: at rest a projector renews that alone.
    """

    def __init__(self, client: Redis, *, keyspace: Keyspace, limits: LeadershipLimits | None = None) -> None:
        self._client = client
        self._keyspace = keyspace
        self._milliseconds = int((limits or LeadershipLimits()).lease * 1000)

    async def hold(self, candidate: Candidate, names: Sequence[LeaseName]) -> frozenset[LeaseName]:
        member, sign = msgspec.json.encode(candidate), self._keyspace.projector(candidate.id)
        with reachable():
            async with pipelined(self._client) as redis:
                renewed, holders = await redis.execute(
                    ("PEXPIRE", sign, self._milliseconds), ("MGET", sign, *map(self._key, names))
                )
                if renewed and set(holders[1:]) == {member}:
                    return frozenset(names)
                await redis.execute(
                    ("SADD", self._keyspace.projectors, member), ("SET", sign, b"", "PX", self._milliseconds)
                )
                return await self._take(redis, member, names)

    async def release(self, candidate: Candidate, names: Sequence[LeaseName]) -> None:
        member = msgspec.json.encode(candidate)
        with reachable():
            async with pipelined(self._client) as redis:
                sign = self._keyspace.projector(candidate.id)
                await redis.execute(("SREM", self._keyspace.projectors, member), ("DEL", sign))
                own = [name for name, holder in (await self._watched(redis, names)).items() if holder == member]
                await redis.transact(*(("DEL", self._key(name)) for name in own))

    async def candidates(self, names: Sequence[LeaseName]) -> Candidates:
        with reachable():
            async with pipelined(self._client) as redis:
                listed, (_, *members) = await redis.execute(
                    ("SMEMBERS", self._keyspace.projectors), ("MGET", self._keyspace.tended, *map(self._key, names))
                )
                alive = await self._alive(redis, {*listed, *filter(None, members)})
        holders = {name: alive[member] for name, member in zip(names, members, strict=True) if member in alive}
        return Candidates(holders, sorted(alive.values(), key=lambda each: each.since))

    async def _take(
        self, redis: PipelinedConnection, member: bytes, names: Sequence[LeaseName]
    ) -> frozenset[LeaseName]:
        """Take the leases of those that have died, and list these no more."""
        (listed,) = await redis.execute(("SMEMBERS", self._keyspace.projectors))
        holders = await self._watched(redis, names)
        alive = await self._alive(redis, {*listed, *filter(None, holders.values())})
        free = [name for name, holder in holders.items() if holder == member or holder not in alive]
        dead = set(listed) - alive.keys()
        try:
            await redis.transact(
                *(("SET", self._key(name), member) for name in free),
                *(("SREM", self._keyspace.projectors, each) for each in dead),
            )
        except WatchError:
            return frozenset()
        return frozenset(free)

    async def _watched(self, redis: PipelinedConnection, names: Sequence[LeaseName]) -> dict[LeaseName, bytes | None]:
        """Return who holds the leases; none of them may change until they are written."""
        keys = [self._keyspace.projectors, *map(self._key, names)]
        _, (_, *members) = await redis.execute(("WATCH", *keys), ("MGET", *keys))
        return dict(zip(names, members, strict=True))

    async def _alive(self, redis: PipelinedConnection, members: Collection[bytes]) -> dict[bytes, Candidate]:
        """Return those with a sign of life: none lasts longer than when given, but by a server's clock that was set."""
        candidates = {member: msgspec.json.decode(member, type=Candidate) for member in members}
        left = await redis.execute(*(("PTTL", self._keyspace.projector(each.id)) for each in candidates.values()))
        ages = zip(candidates.items(), left, strict=True)
        return {member: each for (member, each), milliseconds in ages if 0 < milliseconds <= self._milliseconds}

    def _key(self, name: LeaseName) -> str:
        return self._keyspace.projection(name.projection).lease(name.version)
