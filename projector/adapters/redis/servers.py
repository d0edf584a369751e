"""The servers that have the partitions: the only one, or nodes of a cluster; a connection to each serves all it has."""

import asyncio
from collections.abc import Iterable
from time import monotonic
from typing import Any

from shared.errors import Unavailable
from shared.redis.client import connector
from shared.redis.failures import reachable
from shared.redis.nodes import nodes_with
from shared.redis.pipelined import PipelinedConnection
from shared.urls.servers import Address

LOOK_SECONDS = 5.0
"""From one look for the servers to the next, while all is well."""


class Servers:
    """
    Exchanges with each server by itself, so that one that does not answer holds up only what it has.

    A command that is sent again on a new connection must do nothing twice.
    """

    def __init__(self, url: str, tags: Iterable[str]) -> None:
        """:param tags: of the partitions."""
        self._nodes = nodes_with(list(dict.fromkeys(tags)), url)
        self._connect = connector(url)
        self._connections: dict[Address | None, PipelinedConnection] = {}
        self._locks: dict[Address | None, asyncio.Lock] = {}
        self._looking = asyncio.Lock()
        self._looked = float("-inf")

    async def aclose(self) -> None:
        for connection in self._connections.values():
            await connection.disconnect()

    async def look(self) -> None:
        """
        Find out where the partitions are, now and then.

        :raises Unavailable: nobody says so.
        """
        async with self._looking:
            if monotonic() - self._looked >= LOOK_SECONDS:
                with reachable():
                    await self._look()
                self._looked = monotonic()

    def of(self, tag: str) -> Address | None:
        """Return which has a partition; None where there is a single one."""
        return self._nodes.node_of(tag) if self._nodes else None

    def publish(self, server: Address | None) -> str:
        """Return the command that publishes there."""
        return self._to(server).publish

    def is_busy(self, server: Address | None) -> bool:
        """Whether it has not answered yet to what it was asked before."""
        return server in self._locks and self._locks[server].locked()

    async def exchange(self, server: Address | None, *packed: bytes) -> list[Any]:
        """
        Send packed commands in one go, and return their replies.

        :raises Unavailable: the server is away, does not answer in time, or refuses one of them.
        """
        if not packed:
            return []
        async with self._locks.setdefault(server, asyncio.Lock()):
            try:
                with reachable():
                    return await self._to(server).fetch(b"".join(packed), replies=len(packed))
            except Unavailable:
                await self._connections.pop(server).disconnect()
                self._looked = float("-inf")
                raise

    async def _look(self) -> None:
        if self._nodes:
            await self._nodes.ask()
            for gone in [each for each in self._connections if each not in self._nodes.tags and not self.is_busy(each)]:
                await self._connections.pop(gone).disconnect()
        for connection in [*self._connections.values()]:
            await connection.leave_replaced_master()

    def _to(self, server: Address | None) -> PipelinedConnection:
        if server not in self._connections:
            connect = self._nodes.connector(server) if self._nodes and server else self._connect
            self._connections[server] = connect()
        return self._connections[server]
