"""The projectors' leases in Redis."""

from collections.abc import Sequence
from typing import Any

import msgspec
from redis.asyncio import Redis
from redis.exceptions import WatchError

from projector.adapters.redis.failures import reachable
from projector.processing.limits import LeadershipLimits
from projector.store.ports import Candidate, Candidates, LeaseName
from shared.read_model.keys import PROJECTORS, ProjectionKeys
from shared.redis.pipelined import PipelinedConnection, pipelined


class RedisLease:
    """Keys that run out, and beside them a list of projectors by when they were last seen (milliseconds)."""

    def __init__(self, client: Redis, *, limits: LeadershipLimits | None = None) -> None:
        limits = limits or LeadershipLimits()
        self._client = client
        self._lease, self._listed = (int(seconds * 1000) for seconds in (limits.lease, limits.listed))

    async def hold(self, candidate: Candidate, names: Sequence[LeaseName]) -> frozenset[LeaseName]:
        member = msgspec.json.encode(candidate)
        with reachable():
            await self._be_listed(member)
            async with pipelined(self._client) as redis:
                return await _take(redis, member, names, milliseconds=self._lease)

    async def release(self, candidate: Candidate, names: Sequence[LeaseName]) -> None:
        member = msgspec.json.encode(candidate)
        with reachable():
            await self._client.zrem(PROJECTORS, member)
            async with pipelined(self._client) as redis:
                await _give_up(redis, member, names)

    async def candidates(self, names: Sequence[LeaseName]) -> Candidates:
        with reachable():
            since = await self._now() - self._listed
            members: Any = await self._client.mget([_key(name) for name in names]) if names else []
            listed: Any = await self._client.zrangebyscore(PROJECTORS, since, "+inf")
        holders = {name: _candidate(member) for name, member in zip(names, members, strict=True) if member}
        return Candidates(holders, [_candidate(member) for member in listed])

    async def _be_listed(self, member: bytes) -> None:
        now = await self._now()
        async with self._client.pipeline() as pipe:
            pipe.zadd(PROJECTORS, {member: now})
            pipe.zremrangebyscore(PROJECTORS, "-inf", now - self._listed)
            pipe.zremrangebyscore(PROJECTORS, now + self._listed, "+inf")  # seen before the clock was set back
            await pipe.execute()

    async def _now(self) -> int:
        """By the server's clock, which all projectors share."""
        seconds, microseconds = await self._client.time()
        return seconds * 1000 + microseconds // 1000


async def _take(
    redis: PipelinedConnection, member: bytes, names: Sequence[LeaseName], *, milliseconds: int
) -> frozenset[LeaseName]:
    holders = await _watched(redis, names)
    own = {None, member}
    free = [name for name, holder in holders.items() if holder in own or await _outlives(redis, name, milliseconds)]
    try:
        await redis.transact(*(("SET", _key(name), member, "PX", milliseconds) for name in free))
    except WatchError:
        return frozenset()
    return frozenset(free)


async def _give_up(redis: PipelinedConnection, member: bytes, names: Sequence[LeaseName]) -> None:
    own = [name for name, holder in (await _watched(redis, names)).items() if holder == member]
    await redis.transact(*(("DEL", _key(name)) for name in own))


async def _watched(redis: PipelinedConnection, names: Sequence[LeaseName]) -> dict[LeaseName, bytes | None]:
    """Return who holds the leases; none of them may change until they are written."""
    keys = list(map(_key, names))
    _, members = await redis.execute(("WATCH", *keys), ("MGET", *keys))
    return dict(zip(names, members, strict=True))


async def _outlives(redis: PipelinedConnection, name: LeaseName, milliseconds: int) -> bool:
    """Whether the server's clock was set back since it was taken: the lease would outlive a holder that has died."""
    (left,) = await redis.execute(("PTTL", _key(name)))
    return bool(left > milliseconds)


def _key(name: LeaseName) -> str:
    return ProjectionKeys(name.projection).lease(name.version)


def _candidate(member: bytes) -> Candidate:
    return msgspec.json.decode(member, type=Candidate)
