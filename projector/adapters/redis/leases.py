"""The projectors' leases in Redis."""

from collections.abc import Sequence
from typing import Any

import msgspec
from redis.asyncio import Redis
from redis.exceptions import WatchError

from projector.processing.limits import LeadershipLimits
from projector.store.ports import Candidate, Candidates, LeaseName
from shared.read_model.keys import Keyspace
from shared.redis.failures import reachable
from shared.redis.pipelined import PipelinedConnection, pipelined


class RedisLease:
    """Keys that run out, and beside them a list of projectors by when they were last seen (milliseconds)."""

    def __init__(self, client: Redis, *, keyspace: Keyspace, limits: LeadershipLimits | None = None) -> None:
        limits = limits or LeadershipLimits()
        self._client = client
        self._keyspace = keyspace
        self._lease, self._listed = (int(seconds * 1000) for seconds in (limits.lease, limits.listed))

    async def hold(self, candidate: Candidate, names: Sequence[LeaseName]) -> frozenset[LeaseName]:
        member = msgspec.json.encode(candidate)
        with reachable():
            await self._be_listed(member)
            async with pipelined(self._client) as redis:
                return await self._take(redis, member, names)

    async def release(self, candidate: Candidate, names: Sequence[LeaseName]) -> None:
        member = msgspec.json.encode(candidate)
        with reachable():
            await self._client.zrem(self._keyspace.projectors, member)
            async with pipelined(self._client) as redis:
                await self._give_up(redis, member, names)

    async def candidates(self, names: Sequence[LeaseName]) -> Candidates:
        with reachable():
            since = await self._now() - self._listed
            members: Any = await self._client.mget([self._key(name) for name in names]) if names else []
            listed: Any = await self._client.zrangebyscore(self._keyspace.projectors, since, "+inf")
        holders = {name: _candidate(member) for name, member in zip(names, members, strict=True) if member}
        return Candidates(holders, [_candidate(member) for member in listed])

    async def _be_listed(self, member: bytes) -> None:
        now, projectors = await self._now(), self._keyspace.projectors
        async with self._client.pipeline() as pipe:
            pipe.zadd(projectors, {member: now})
            pipe.zremrangebyscore(projectors, "-inf", now - self._listed)
            pipe.zremrangebyscore(projectors, now + self._listed, "+inf")  # seen before the clock was set back
            await pipe.execute()

    async def _now(self) -> int:
        """By the server's clock, which all projectors share."""
        seconds, microseconds = await self._client.time()
        return seconds * 1000 + microseconds // 1000

    async def _take(
        self, redis: PipelinedConnection, member: bytes, names: Sequence[LeaseName]
    ) -> frozenset[LeaseName]:
        holders = await self._watched(redis, names)
        free = [
            name for name, holder in holders.items() if holder in {None, member} or await self._outlives(redis, name)
        ]
        try:
            await redis.transact(*(("SET", self._key(name), member, "PX", self._lease) for name in free))
        except WatchError:
            return frozenset()
        return frozenset(free)

    async def _give_up(self, redis: PipelinedConnection, member: bytes, names: Sequence[LeaseName]) -> None:
        own = [name for name, holder in (await self._watched(redis, names)).items() if holder == member]
        await redis.transact(*(("DEL", self._key(name)) for name in own))

    async def _watched(self, redis: PipelinedConnection, names: Sequence[LeaseName]) -> dict[LeaseName, bytes | None]:
        """Return who holds the leases; none of them may change until they are written."""
        keys = list(map(self._key, names))
        _, members = await redis.execute(("WATCH", *keys), ("MGET", *keys))
        return dict(zip(names, members, strict=True))

    async def _outlives(self, redis: PipelinedConnection, name: LeaseName) -> bool:
        """Whether the server's clock was set back since: the lease would outlive a holder that has died."""
        (milliseconds,) = await redis.execute(("PTTL", self._key(name)))
        return bool(milliseconds > self._lease)

    def _key(self, name: LeaseName) -> str:
        return self._keyspace.projection(name.projection).lease(name.version)


def _candidate(member: bytes) -> Candidate:
    return msgspec.json.decode(member, type=Candidate)
