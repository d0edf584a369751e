"""
The ways to all that one projection has in one layout.

Lists travel apart, on connections of their own: a look-up of one person does not wait behind pages of hundreds.
"""

from collections.abc import Sequence
from contextlib import AsyncExitStack
from functools import partial
from typing import Any, Self, TypeAlias

from read_side.adapters.redis.limits import RedisReadLimits
from read_side.adapters.redis.transport.batcher import Batcher
from read_side.adapters.redis.transport.consistent_read import Ask
from read_side.adapters.redis.transport.layout import Layout
from read_side.adapters.redis.transport.nodes import NodeBatchers
from read_side.adapters.redis.transport.scatter import Scatter
from shared.redis.client import Connect
from shared.redis.nodes import Nodes

Lane: TypeAlias = Batcher | NodeBatchers


class LayoutLanes:
    """
    Open while it is entered; what is asked afterwards, or was not answered by then, raises `Unavailable`.

    :param connect: to the server that has all partitions, or that at home.
    :param nodes: those of a cluster that have the partitions, if there are several.
    :param patience: see `Scatter`.
    """

    def __init__(
        self,
        layout: Layout,
        connect: Connect,
        nodes: Nodes | None,
        *,
        projection: str,
        limits: RedisReadLimits,
        patience: float,
    ) -> None:
        batcher = partial(_batcher, projection=projection, limits=limits)
        list_batcher = partial(batcher, lane="lists", most_queued=limits.queued_lists)
        self.layout = layout
        self.look_ups: Lane
        self.lists: Lane
        if nodes is None or not layout.is_divided:
            self.look_ups, self.lists = batcher(connect), list_batcher(connect)
        else:
            self.look_ups, self.lists = NodeBatchers(nodes, batcher), NodeBatchers(nodes, list_batcher)
        self.look_up = _asking(self.look_ups, layout, patience)
        self.look_list_up = _asking(self.lists, layout, patience)
        self._open = AsyncExitStack()

    async def __aenter__(self) -> Self:
        for each in (self.look_ups, self.lists):
            await self._open.enter_async_context(each)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._open.aclose()


def _batcher(connect: Connect, _tags: Sequence[str] = (), **more: Any) -> Batcher:
    return Batcher(connect, **more)


def _asking(lane: Lane, layout: Layout, patience: float) -> Ask:
    if not layout.is_divided:
        return partial(lane.ask, layout.own[0])
    return Scatter(lane.ask, layout, patience=patience).ask
