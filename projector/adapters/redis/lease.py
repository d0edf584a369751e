"""The projectors' lease in Redis."""

from typing import Any

import msgspec
from redis.asyncio import Redis
from redis.asyncio.client import Pipeline
from redis.exceptions import WatchError

from projector.adapters.redis.client import multi, reachable
from projector.ports import Candidate, Candidates
from projector.tenure import LEASE_SECONDS
from shared.keys import LEASE, PROJECTORS

LISTED_SECONDS = 5.0


class RedisLease:
    """A key that runs out, and beside it a list of projectors by when they were last seen (milliseconds)."""

    def __init__(self, client: Redis) -> None:
        self._client = client

    async def hold(self, candidate: Candidate) -> bool:
        member = msgspec.json.encode(candidate)
        with reachable():
            await self._be_listed(member)
            async with self._client.pipeline() as pipe:
                return await _take(pipe, member)

    async def release(self, candidate: Candidate) -> None:
        member = msgspec.json.encode(candidate)
        with reachable():
            await self._client.zrem(PROJECTORS, member)
            async with self._client.pipeline() as pipe:
                await _give_up(pipe, member)

    async def candidates(self) -> Candidates:
        with reachable():
            since = await self._now() - LISTED_SECONDS * 1000
            holder: Any = await self._client.get(LEASE)
            listed: Any = await self._client.zrangebyscore(PROJECTORS, since, "+inf")
        return Candidates(_candidate(holder) if holder else None, [_candidate(member) for member in listed])

    async def _be_listed(self, member: bytes) -> None:
        now = await self._now()
        async with self._client.pipeline() as pipe:
            pipe.zadd(PROJECTORS, {member: now})
            pipe.zremrangebyscore(PROJECTORS, "-inf", now - LISTED_SECONDS * 1000)
            await pipe.execute()

    async def _now(self) -> int:
        """By the server's clock, which all projectors share."""
        seconds, microseconds = await self._client.time()
        return seconds * 1000 + microseconds // 1000


async def _take(pipe: Pipeline, member: bytes) -> bool:
    await pipe.watch(LEASE)
    if await pipe.get(LEASE) not in {None, member}:
        return False
    multi(pipe)
    pipe.set(LEASE, member, px=int(LEASE_SECONDS * 1000))
    try:
        await pipe.execute()
    except WatchError:
        return False
    return True


async def _give_up(pipe: Pipeline, member: bytes) -> None:
    await pipe.watch(LEASE)
    if await pipe.get(LEASE) == member:
        multi(pipe)
        pipe.delete(LEASE)
        await pipe.execute()


def _candidate(member: bytes) -> Candidate:
    return msgspec.json.decode(member, type=Candidate)
