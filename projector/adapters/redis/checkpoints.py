"""The checkpoints of many generations in Redis, moved in as few trips as there are servers."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from hashlib import sha1
from typing import NamedTuple

import msgspec
import structlog
from redis.asyncio import Redis

from projector.adapters.redis.commit import announcement
from projector.folding.grouping import grouped
from projector.store.ports import Move
from shared.errors import Unavailable
from shared.read_model.keys import ProjectionKeys
from shared.redis.failures import reachable
from shared.redis.pipelined import Command, PipelinedConnection, pipelined

_MOVE = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] or redis.call('EXISTS', KEYS[2]) == 1 then return 0 end
redis.call('SET', KEYS[1], ARGV[2])
redis.call(ARGV[3], KEYS[3], ARGV[4])
return 1"""
"""Less than a commit watches: a generation that is fed no more may still say that nothing has happened to it."""

_LOAD = ("SCRIPT", "LOAD", _MOVE)
"""Before each use, so that no server has to be asked whether it knows the script."""

_DIGEST = sha1(_MOVE.encode(), usedforsecurity=False).hexdigest()

log = structlog.get_logger()


class PartKeys(NamedTuple):
    """Where the generations of a part of a projection are."""

    client: Redis
    keys: ProjectionKeys


class RedisCheckpoints:
    """Moves checkpoints by a script; `of_parts` is by the labels of the parts."""

    def __init__(self, of_parts: Mapping[str, PartKeys]) -> None:
        self._of_parts = of_parts

    async def move(self, moves: Sequence[Move]) -> AsyncIterator[tuple[Move, bool]]:
        by_client = grouped((self._of_parts[each.label].client, each) for each in moves)
        for outcome in asyncio.as_completed([self._move(*each) for each in by_client.items()]):
            for each in await outcome:
                yield each

    async def _move(self, client: Redis, moves: Sequence[Move]) -> Iterable[tuple[Move, bool]]:
        try:
            with reachable():
                async with pipelined(client) as redis:
                    _, *replies = await redis.execute(_LOAD, *(self._command(redis, each) for each in moves))
        except Unavailable as error:
            log.debug("checkpoints cannot be moved", error=str(error))
            return ()
        return zip(moves, map(bool, replies), strict=True)

    def _command(self, redis: PipelinedConnection, move: Move) -> Command:
        projection = self._of_parts[move.label].keys
        keys = projection.generation(move.generation)
        names = (keys.checkpoint, keys.damaged, projection.announce)
        before, after = msgspec.json.encode(move.before), msgspec.json.encode(move.after)
        told = announcement(move.generation, move.after.reached)
        return ("EVALSHA", _DIGEST, len(names), *names, before, after, redis.publish, told)
