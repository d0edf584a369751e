"""
Whether Redis may evict, and is still the one to be read.

Under `allkeys-lru` records go and the checkpoint stays: a look-up that finds nothing would be a lie.
"""

import asyncio
import re
from contextlib import suppress
from typing import Self

import structlog
from redis.exceptions import RedisError

from read_side.adapters.redis.limits import RedisReadLimits
from shared.errors import EvictionPossible
from shared.redis.client import Connect, describe
from shared.redis.nodes import Nodes
from shared.redis.pipelined import PipelinedConnection, pack
from shared.runtime.retry import repeat
from shared.runtime.tasks import Tasks
from shared.urls.servers import Address

log = structlog.get_logger()
_INFO = pack("INFO", "memory")
_POLICY = re.compile(rb"^maxmemory_policy:(\S+)", re.MULTILINE)


class EvictionWatch:
    """
    Asks Redis for its policy as long as any view has entered it.

    :param nodes: those of a cluster that have partitions, which are asked too.
    """

    def __init__(self, connect: Connect, *, nodes: Nodes | None = None, limits: RedisReadLimits | None = None) -> None:
        self._nodes = nodes
        self._connections: dict[Address | None, PipelinedConnection] = {None: connect()}
        self._every = (limits or RedisReadLimits()).eviction_check
        self._policies: dict[Address | None, str | None] = {}
        self._inside = 0
        self._looking = asyncio.Lock()
        self._tasks = Tasks()

    async def __aenter__(self) -> Self:
        self._inside += 1
        if self._inside == 1:
            await self._look()
            self._tasks.start(repeat(self._look, every=self._every, delay=self._every), name="eviction watch")
        return self

    async def __aexit__(self, *_: object) -> None:
        self._inside -= 1
        if not self._inside:
            await self._tasks.stop_all()
            async with self._looking:
                for connection in self._connections.values():
                    await connection.disconnect()

    async def go_over(self, _: object, nodes: Nodes | None) -> None:
        """Ask the nodes of another layout."""
        self._nodes = nodes
        await self._look()

    def require_none(self) -> None:
        """
        Return if records stay.

        :raises EvictionPossible: they might not have when Redis was last asked.
        """
        for policy in self._policies.values():
            if policy is not None:
                raise EvictionPossible(f"Redis may evict records: its maxmemory-policy is {policy}")

    async def _look(self) -> None:
        """Without an answer the last one stands: the next read will find out that Redis is away."""
        async with self._looking:  # a connection is for one exchange at a time
            if not self._inside:
                return
            await self._find_nodes(self._nodes)
            for server, connection in self._connections.items():
                try:
                    await connection.leave_replaced_master()
                    self._note(server, await evicting_policy(connection))
                except (RedisError, OSError) as error:
                    await connection.disconnect()
                    log.warning("Redis does not tell its maxmemory-policy", error=describe(error))

    async def _find_nodes(self, nodes: Nodes | None) -> None:
        if nodes is not None:
            with suppress(RedisError, OSError):
                await nodes.ask()
        tags = nodes.tags if nodes else {}
        for gone in self._connections.keys() - {None, *tags}:
            self._policies.pop(gone, None)
            await self._connections.pop(gone).disconnect()
        if nodes is not None:
            for node in tags.keys() - self._connections.keys():
                self._connections[node] = nodes.connector(node)()

    def _note(self, server: Address | None, policy: str | None) -> None:
        if policy != self._policies.get(server):
            log.warning("Redis may evict records" if policy else "Redis keeps its records again", policy=policy)
        self._policies[server] = policy


async def evicting_policy(connection: PipelinedConnection) -> str | None:
    """Return the policy by which Redis may evict; None if it may not, or does not say."""
    (info,) = await connection.fetch(_INFO, replies=1)
    found = _POLICY.search(info)
    return None if found is None or found[1] == b"noeviction" else found[1].decode()
