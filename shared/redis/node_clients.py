"""Clients of the hash tags of a cluster: those whose slots one node has share its connections."""

from typing import Any

from redis.asyncio import ConnectionPool, Redis
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import ConnectionError as ConnectionLost
from redis.exceptions import RedisError

from shared.redis.client import pool_of
from shared.redis.cluster import slot_of
from shared.redis.nodes import Nodes
from shared.redis.shared_pool import CLOSED, SharedPool
from shared.urls.servers import Address


class NodeClients:
    """
    Finds the node of each hash tag, and keeps the connections to it.

    Where a tag is, is known as of the last time that anything connected; it is asked anew once a connection was lost:
    that may have been because the tag has gone.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._nodes = Nodes(url)
        self._lost, self._asked = 1, 0
        """How often it was not known any more where tags are, and as of which time that was asked."""
        self._pools: dict[Address, SharedPool] = {}
        self._clients: dict[str, Redis] = {}
        self._is_closed = False

    def client(self, tag: str) -> Redis:
        """Return a client of all keys that have a hash tag."""
        if tag not in self._clients:
            self._nodes.slots[tag] = slot_of(tag)
            self._clients[tag] = Redis(connection_pool=_TagPool(self, tag, self._url))
            self.forget()
        return self._clients[tag]

    def client_of(self, node: Address) -> Redis:
        """Return a client of a node; the connections are ours."""
        return Redis(connection_pool=self.pool(node))

    async def node_of(self, tag: str) -> Address:
        """:raises ConnectionError: no node says that one has it."""
        if self._asked < (lost := self._lost):
            await self._nodes.ask()
            self._asked = max(self._asked, lost)
            for left in self._pools.keys() - self._nodes.tags.keys():
                await self._pools[left].close_idle()
        if (node := self._nodes.node_of(tag)) is None:
            raise ConnectionLost(f"no node has slot {self._nodes.slots[tag]}")
        return node

    def pool(self, node: Address) -> SharedPool:
        """
        Return the connections to a node.

        :raises ConnectionError: all were closed.
        """
        if self._is_closed:
            raise ConnectionLost(CLOSED)
        if node not in self._pools:
            self._pools[node] = pool_of(self._url, locator=self._nodes.locator(node))
        return self._pools[node]

    def forget(self) -> None:
        """Have it asked anew where each tag is."""
        self._lost += 1

    async def aclose(self) -> None:
        """Close all connections, for good."""
        self._is_closed = True
        for each in self._pools.values():
            await each.aclose()


class _TagPool(ConnectionPool):
    """Lends the connections of the node that has a hash tag, for one transaction or command each."""

    def __init__(self, of: NodeClients, tag: str, url: str) -> None:
        super().__init__(**pool_of(url).connection_kwargs)
        self._of, self._tag = of, tag
        self._lent: dict[AbstractConnection, SharedPool] = {}

    async def get_connection(self, *_: Any, **__: Any) -> AbstractConnection:
        try:
            pool = self._of.pool(await self._of.node_of(self._tag))
            connection = await pool.get_connection()
        except (RedisError, OSError):
            self._of.forget()
            raise
        self._lent[connection] = pool
        return connection

    async def release(self, connection: AbstractConnection) -> None:
        if not connection.is_connected:
            self._of.forget()
        await self._lent.pop(connection).release(connection)
