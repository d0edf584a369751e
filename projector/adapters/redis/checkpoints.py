"""The checkpoints of many generations in Redis, moved in one trip to each server that has any."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from hashlib import sha1
from time import monotonic

import msgspec
import structlog

from projector.adapters.redis.commit import announcement
from projector.folding.grouping import grouped
from projector.store.ports import Move
from shared.errors import Unavailable
from shared.read_model.keys import ProjectionKeys
from shared.redis.client import connector
from shared.redis.failures import reachable
from shared.redis.nodes import nodes_with
from shared.redis.pipelined import PipelinedConnection, pack
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

LOOK_SECONDS = 5.0
"""From one look for the servers to the next, while all is well."""

log = structlog.get_logger()


class RedisCheckpoints:
    """
    Moves checkpoints by a script, on a connection of its own to each server.

    A script that is sent again on a new connection does nothing twice: the former checkpoint is gone then.
    """

    def __init__(self, url: str, keys: Mapping[str, ProjectionKeys]) -> None:
        """:param keys: of the parts of projections, by their labels."""
        self._keys = keys
        self._nodes = nodes_with(list(dict.fromkeys(each.keyspace.tag for each in keys.values())), url)
        self._connect = connector(url)
        self._connections: dict[Address | None, PipelinedConnection] = {}
        self._under_way: set[Address | None] = set()
        """The servers that have not answered yet."""
        self._looking = asyncio.Lock()
        self._looked = float("-inf")

    async def aclose(self) -> None:
        for connection in self._connections.values():
            await connection.disconnect()

    async def move(self, moves: Sequence[Move]) -> AsyncIterator[tuple[Move, bool]]:
        if not await self._looks():
            return
        by_server = grouped((self._server_of(each), each) for each in moves)
        for outcome in asyncio.as_completed([self._move(*each) for each in by_server.items()]):
            for each in await outcome:
                yield each

    async def _looks(self) -> bool:
        """Find out where the servers are, now and then; return whether that is known."""
        async with self._looking:
            if monotonic() - self._looked < LOOK_SECONDS:
                return True
            try:
                with reachable():
                    await self._look()
            except Unavailable as error:
                log.debug("checkpoints cannot be moved", error=str(error))
                return False
            self._looked = monotonic()
            return True

    async def _look(self) -> None:
        if self._nodes:
            await self._nodes.ask()
            for gone in self._connections.keys() - self._nodes.tags.keys() - self._under_way:
                await self._connections.pop(gone).disconnect()
        for connection in [*self._connections.values()]:
            await connection.leave_replaced_master()

    def _server_of(self, move: Move) -> Address | None:
        """None where there is a single one."""
        return self._nodes.node_of(self._keys[move.label].keyspace.tag) if self._nodes else None

    async def _move(self, server: Address | None, moves: Sequence[Move]) -> Iterable[tuple[Move, bool]]:
        if server in self._under_way:
            return ()
        self._under_way.add(server)
        try:
            with reachable():
                return zip(moves, await self._replies(server, moves), strict=True)
        except (Unavailable, TimeoutError) as error:
            log.debug("checkpoints cannot be moved", error=str(error))
            await self._connections.pop(server).disconnect()
            self._looked = float("-inf")
            return ()
        finally:
            self._under_way.remove(server)

    async def _replies(self, server: Address | None, moves: Sequence[Move]) -> Iterable[bool]:
        redis = self._connections.get(server)
        if redis is None:
            redis = (self._nodes.connector(server) if self._nodes and server else self._connect)()
            self._connections[server] = redis
        packed = b"".join([_LOAD, *(self._packed(redis, each) for each in moves)])
        _, *replies = await redis.fetch(packed, replies=1 + len(moves))
        return map(bool, replies)

    def _packed(self, redis: PipelinedConnection, move: Move) -> bytes:
        projection = self._keys[move.label]
        keys = projection.generation(move.generation)
        names = (keys.checkpoint, keys.damaged, projection.announce)
        before, after = msgspec.json.encode(move.before), msgspec.json.encode(move.after)
        told = announcement(move.generation, move.after.reached)
        return pack("EVALSHA", _DIGEST, len(names), *names, before, after, redis.publish, told)
