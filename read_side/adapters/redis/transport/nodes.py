"""Partitions on the nodes of a cluster: what is done once on one server is done on each of them."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from typing import Any, Generic, NamedTuple, Self, TypeVar

from redis.exceptions import RedisError

from read_side.adapters.redis.transport.batcher import Batcher, Reply
from read_side.adapters.redis.transport.generation import Partition
from read_side.adapters.redis.transport.reads import Field, Read
from shared.errors import Unavailable
from shared.redis.client import Connect
from shared.redis.failures import reachable
from shared.redis.nodes import Nodes
from shared.runtime.tasks import Tasks
from shared.urls.servers import Address

T = TypeVar("T", bound=AbstractAsyncContextManager[Any])

Make = Callable[[Connect, Sequence[str]], T]
"""Makes something for a node that has some hash tags; it is entered as long as the node has these."""


class _Made(NamedTuple, Generic[T]):
    """
    What was made for a node.

    :param left: set once it is to be left.
    """

    tags: Sequence[str]
    own: T
    left: asyncio.Event


class PerNode(Generic[T]):
    """One of something for each node that has partitions, entered for as long as the node has the same ones."""

    def __init__(self, nodes: Nodes, make: Make[T]) -> None:
        self.nodes = nodes
        self._make = make
        self._made: dict[Address, _Made[T]] = {}
        self._tasks = Tasks()

    async def __aenter__(self) -> Self:
        self.nodes.follow(self._rearrange)
        with suppress(RedisError, OSError):  # the next that asks for one will find out
            await self.nodes.ask()
        self._rearrange()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.nodes.unfollow(self._rearrange)
        await self._tasks.stop_all()

    def on(self, node: Address) -> T:
        """Return that of a node that has partitions."""
        return self._made[node].own

    def _rearrange(self) -> None:
        for node, made in list(self._made.items()):
            if self.nodes.tags.get(node) != made.tags:
                self._made.pop(node).left.set()
        for node, tags in self.nodes.tags.items():
            if node not in self._made:
                made = self._made[node] = _Made(tags, self._make(self.nodes.connector(node), tags), asyncio.Event())
                self._tasks.start(_enter(made), name=f"reads of {node}")


async def _enter(made: _Made[Any]) -> None:
    async with made.own:  # in any case: who has asked it already is to be answered
        await made.left.wait()


class NodeBatchers(PerNode[Batcher]):
    """The way to partitions on several nodes."""

    async def ask(self, partition: Partition, *fields: Field, reads: Sequence[Read] = ()) -> Reply:
        """
        See `Batcher.ask`; where partitions have gone to other nodes meanwhile, it is asked there.

        :raises Unavailable, Overloaded: likewise.
        """
        tags = self.nodes.tags
        try:
            return await (await self._batcher_of(partition)).ask(partition, *fields, reads=reads)
        except Unavailable:
            if self.nodes.tags is tags:
                raise
        return await (await self._batcher_of(partition)).ask(partition, *fields, reads=reads)

    async def _batcher_of(self, partition: Partition) -> Batcher:
        tag = partition.keys.keyspace.tag
        if (node := self.nodes.node_of(tag)) is None:
            with reachable():
                await self.nodes.ask()
            node = self.nodes.node_of(tag)
        if node is None or node not in self._made:
            raise Unavailable("Redis does not reply: the read side is stopping")
        return self.on(node)
