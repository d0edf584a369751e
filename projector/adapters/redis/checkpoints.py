"""The checkpoints of many generations in Redis, moved in one trip to each server that has any."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from hashlib import sha1

import msgspec
import structlog

from projector.adapters.redis.commit import announcement
from projector.adapters.redis.servers import Servers
from projector.folding.grouping import grouped
from projector.store.ports import Move
from shared.errors import Unavailable
from shared.read_model.keys import ProjectionKeys
from shared.redis.pipelined import pack
from shared.urls.servers import Address

_MOVE = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] or redis.call('EXISTS', KEYS[2]) == 1 then return 0 end
redis.call('SET', KEYS[1], ARGV[2])
redis.call(ARGV[3], KEYS[3], ARGV[4])
return 1"""
"""Less than a commit watches: a generation that is fed no more may still say that nothing has happened to it."""

_LOAD = pack("SCRIPT", "LOAD", _MOVE)
"""Before each use, so that no server has to be asked whether it knows the script."""

_DIGEST = sha1(_MOVE.encode(), usedforsecurity=False).hexdigest()

log = structlog.get_logger()


class RedisCheckpoints:
    """
    Moves checkpoints by a script.

    A script that is sent again on a new connection does nothing twice: the former checkpoint is gone then.
    """

    def __init__(self, url: str, keys: Mapping[str, ProjectionKeys]) -> None:
        """:param keys: of the parts of projections, by their labels."""
        self._keys = keys
        self._servers = Servers(url, (each.keyspace.tag for each in keys.values()))

    async def aclose(self) -> None:
        await self._servers.aclose()

    async def move(self, moves: Sequence[Move]) -> AsyncIterator[tuple[Move, bool]]:
        try:
            await self._servers.look()
        except Unavailable as error:
            log.debug("checkpoints cannot be moved", error=str(error))
            return
        by_server = grouped((self._servers.of(self._keys[each.label].keyspace.tag), each) for each in moves)
        for outcome in asyncio.as_completed([self._move(*each) for each in by_server.items()]):
            for each in await outcome:
                yield each

    async def _move(self, server: Address | None, moves: Sequence[Move]) -> Iterable[tuple[Move, bool]]:
        if self._servers.is_busy(server):
            return ()
        publish = self._servers.publish(server)
        try:
            _, *replies = await self._servers.exchange(server, _LOAD, *(self._packed(each, publish) for each in moves))
        except Unavailable as error:
            log.debug("checkpoints cannot be moved", error=str(error))
            return ()
        return zip(moves, map(bool, replies), strict=True)

    def _packed(self, move: Move, publish: str) -> bytes:
        projection = self._keys[move.label]
        keys = projection.generation(move.generation)
        names = (keys.checkpoint, keys.damaged, projection.announce)
        before, after = msgspec.json.encode(move.before), msgspec.json.encode(move.after)
        told = announcement(move.generation, move.after.reached)
        return pack("EVALSHA", _DIGEST, len(names), *names, before, after, publish, told)
