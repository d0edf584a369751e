"""Where all views of one projection read."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from functools import partial
from typing import Self, TypeVar

from read_side.adapters.list_query import ListLimits
from read_side.adapters.redis.limits import RedisReadLimits
from read_side.adapters.redis.lists.lengths import ListLengths
from read_side.adapters.redis.transport.announcements import Announcements
from read_side.adapters.redis.transport.batcher import Reply
from read_side.adapters.redis.transport.consistent_read import Attempt, until_consistent
from read_side.adapters.redis.transport.eviction import EvictionWatch
from read_side.adapters.redis.transport.generation import LayoutLeft, Partition
from read_side.adapters.redis.transport.lanes import LayoutLanes
from read_side.adapters.redis.transport.layout import Layout
from read_side.adapters.redis.transport.reads import Field, Read
from read_side.adapters.redis.transport.recorded import UNKNOWN, ReadLayout, RecordedLayout
from read_side.freshness import Freshness, Positioned
from read_side.views import NeverFilled
from shared.errors import Unavailable
from shared.read_model.keys import GenerationKeys
from shared.read_model.partitions import AT_HOME, ONE, UNIQUE_ENTRIES, Partitions
from shared.redis.client import Connect
from shared.redis.nodes import Nodes

P = TypeVar("P", bound=Positioned)


class RedisViews(ABC):
    """
    What the views of every projection are: a way to it, an ear for it, and the certainty that nothing of it is evicted.

    Answers of one trip are from one moment. Answers of several are from one generation, which the last trip found to be
    live, and are said to be from the earliest moment.

    :param connect: to the server that has all partitions, or that at home.
    :param partitions: as long as nothing else is recorded.
    :param nodes: those of a cluster that have the partitions, if there are several.
    :param recorded: the layout that is to be followed; without it, it stays as it is.
    :param eviction: shared by all views of a process, as `announcements` at home are; without them they watch and
        listen for themselves.
    """

    projection: str
    oldest_version = 1
    """Of the projection: what an older one has made is not read."""
    unique: Collection[str] = ()
    """The hashes of unique entries which stand in a projection of their own, where there are several partitions."""
    everywhere: Collection[str] = ()
    """The hashes that each partition has whole."""

    def __init__(
        self,
        connect: Connect,
        *,
        freshness: Freshness,
        partitions: Partitions = ONE,
        nodes: Nodes | None = None,
        recorded: RecordedLayout | None = None,
        eviction: EvictionWatch | None = None,
        announcements: Announcements | None = None,
        limits: RedisReadLimits | None = None,
        list_limits: ListLimits | None = None,
    ) -> None:
        limits = limits or RedisReadLimits()
        self.freshness = freshness
        self._limits = limits
        self._connect = connect
        self._list_lengths = ListLengths(list_limits or ListLimits())
        self._eviction = eviction or EvictionWatch(connect, nodes=nodes, limits=limits)
        self._announcements = announcements or Announcements(connect, nodes=nodes, limits=limits)
        self._recorded = None if self.projection in AT_HOME else recorded
        if self._recorded:
            self._recorded.follow(self._go_over)
        self._is_open = False
        self._changing = asyncio.Lock()
        """Held by who opens or closes lanes: a layout may change while all leave."""
        self._open_lanes = AsyncExitStack()
        self._open = AsyncExitStack()
        self._use(None if self._recorded else self._lanes_to(ReadLayout(partitions), nodes))

    async def __aenter__(self) -> Self:
        await self._open.enter_async_context(self._eviction)
        await self._open_all()
        self._open.push_async_callback(self._close_all)
        if self._recorded:
            with suppress(Unavailable):  # who asks will find out
                await self._recorded.ask()
        await self._open.enter_async_context(self._announcements)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._open.aclose()

    async def position(self) -> int:
        return (await self._ask()).position

    async def _go_over(self, read: ReadLayout | None, nodes: Nodes | None) -> None:
        """
        Read another layout from now on; where none is known, whatever is asked finds out.

        What the former one has not answered yet is asked again: see `_has_others`.
        """
        async with self._changing:
            lanes = self._lanes_to(read, nodes) if read else None
            former, self._open_lanes = self._open_lanes, AsyncExitStack()
            if self._is_open and lanes:
                await self._open_lanes.enter_async_context(lanes)
            self._use(lanes)
            await former.aclose()
        self.freshness.read_again()

    def _use(self, lanes: LayoutLanes | None) -> None:
        self._lanes = lanes
        self._look_up, self._look_list_up = (lanes.look_up, lanes.look_list_up) if lanes else (_ask_nobody, _ask_nobody)
        channels = [each.keys.announce for each in lanes.layout.all] if lanes else []
        self._announcements.wake(self.freshness, by=channels)

    async def _open_all(self) -> None:
        async with self._changing:
            self._is_open = True
            if self._lanes:
                await self._open_lanes.enter_async_context(self._lanes)

    async def _close_all(self) -> None:
        async with self._changing:
            self._is_open = False
            await self._open_lanes.aclose()

    def _lanes_to(self, read: ReadLayout, nodes: Nodes | None) -> LayoutLanes:
        layout, patience = self._layout(read), self.freshness.patience
        return LayoutLanes(
            layout, self._connect, nodes, projection=self.projection, limits=self._limits, patience=patience
        )

    def _layout(self, read: ReadLayout) -> Layout:
        partitions, known = read.partitions, partial(Partition, freshness=self.freshness, switches=read.switches)
        own = [
            known(each.projection(self.projection), names=self.names, oldest_version=self.oldest_version)
            for each in partitions.keyspaces_of(self.projection)
        ]
        names, apart = partial(_unique_entries, self.unique), self.unique and len(own) > 1
        entries = [known(each.projection(UNIQUE_ENTRIES), names=names) for each in partitions.keyspaces if apart]
        return Layout(partitions, own, entries, self.unique, self.everywhere)

    @staticmethod
    @abstractmethod
    def names(keys: GenerationKeys) -> Mapping[str, str]:
        """What is read of the projection: see `generation.Names`."""

    async def _consistently(self, look: Callable[[], Awaitable[Attempt[P]]]) -> P:
        return await until_consistent(look, attempts=self._limits.attempts)

    async def _ask(self, *fields: Field, reads: Sequence[Read] = ()) -> Reply:
        self._eviction.require_none()
        lanes = self._lanes
        try:
            return await self._look_up(*fields, reads=reads)
        except Unavailable as error:
            if not await self._has_others(lanes, error):
                raise
        return await self._ask(*fields, reads=reads)

    async def _ask_for_list(self, *fields: Field, reads: Sequence[Read] = ()) -> Reply:
        self._eviction.require_none()
        lanes = self._lanes
        try:
            return await self._look_list_up(*fields, reads=reads)
        except Unavailable as error:
            if not await self._has_others(lanes, error):
                raise
        return await self._ask_for_list(*fields, reads=reads)

    async def _has_others(self, lanes: LayoutLanes | None, error: Unavailable) -> bool:
        """
        Return whether others are to be taken than those by which this error came: another layout is to be read.

        :raises Unavailable: it is not known which.
        """
        if self._lanes is lanes and self._recorded and isinstance(error, LayoutLeft | NeverFilled):
            await self._recorded.ask()
        return self._lanes is not lanes


async def _ask_nobody(*_: Field, reads: Sequence[Read] = ()) -> Reply:  # noqa: ARG001 - as what asks a layout
    raise NeverFilled(UNKNOWN)


def _unique_entries(by: Iterable[str], keys: GenerationKeys) -> Mapping[str, str]:
    return {each: keys.unique_entries(each) for each in by}
