"""Where all views of one projection read."""

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from functools import partial
from typing import Any, Self, TypeVar

from read_side.adapters.list_query import ListLimits
from read_side.adapters.redis.limits import RedisReadLimits
from read_side.adapters.redis.lists.lengths import ListLengths
from read_side.adapters.redis.transport.announcements import Announcements
from read_side.adapters.redis.transport.batcher import Batcher, Reply
from read_side.adapters.redis.transport.consistent_read import Ask, Attempt, until_consistent
from read_side.adapters.redis.transport.eviction import EvictionWatch
from read_side.adapters.redis.transport.generation import LayoutLeft, Partition
from read_side.adapters.redis.transport.layout import Layout
from read_side.adapters.redis.transport.nodes import NodeBatchers
from read_side.adapters.redis.transport.reads import Field, Read
from read_side.adapters.redis.transport.recorded import UNKNOWN, ReadLayout, RecordedLayout
from read_side.adapters.redis.transport.scatter import Scatter
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

    Lists travel apart, on connections of their own: a look-up of one person does not wait behind pages of hundreds.

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
        self._batchers: list[AsyncExitStack] = []
        """Of the layout that is read, and of the one before: who asks that is to be answered."""
        self._open = AsyncExitStack()
        self._use(None if self._recorded else ReadLayout(partitions), nodes)

    async def __aenter__(self) -> Self:
        await self._open.enter_async_context(self._eviction)
        await self._open_batchers()
        self._open.push_async_callback(self._close_batchers, but=0)
        if self._recorded:
            with suppress(Unavailable):  # who asks will find out
                await self._recorded.ask()
        await self._open.enter_async_context(self._announcements)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._open.aclose()

    async def position(self) -> int:
        return (await self._ask()).position

    async def _go_over(self, layout: ReadLayout | None, nodes: Nodes | None) -> None:
        """Read another layout from now on; where none is known, whatever is asked finds out."""
        self._use(layout, nodes)
        if self._batchers:
            await self._close_batchers(but=1)
            await self._open_batchers()
        self.freshness.read_again()

    def _use(self, read: ReadLayout | None, nodes: Nodes | None) -> None:
        layout, limits = self._layout(read or ReadLayout(ONE)), self._limits
        batcher = partial(_batcher, projection=self.projection, limits=limits)
        list_batcher = partial(batcher, lane="lists", most_queued=limits.queued_lists)
        self._batcher: Batcher | NodeBatchers
        self._list_batcher: Batcher | NodeBatchers
        if nodes is None or not layout.is_divided:
            self._batcher, self._list_batcher = batcher(self._connect), list_batcher(self._connect)
        else:
            self._batcher, self._list_batcher = NodeBatchers(nodes, batcher), NodeBatchers(nodes, list_batcher)
        self._look_up, self._look_list_up = (
            _asking(each, layout, self.freshness.patience) if read else _ask_nobody
            for each in (self._batcher, self._list_batcher)
        )
        self._announcements.wake(self.freshness, by=[each.keys.announce for each in layout.all])

    async def _open_batchers(self) -> None:
        self._batchers.append(opened := AsyncExitStack())
        for each in (self._batcher, self._list_batcher):
            await opened.enter_async_context(each)

    async def _close_batchers(self, *, but: int) -> None:
        """Close those of former layouts, but so many of the last."""
        while len(self._batchers) > but:
            await self._batchers.pop(0).aclose()

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
        try:
            return await self._look_up(*fields, reads=reads)
        except (LayoutLeft, NeverFilled):
            if self._recorded is None:
                raise
            await self._recorded.ask()
        return await self._look_up(*fields, reads=reads)

    async def _ask_for_list(self, *fields: Field, reads: Sequence[Read] = ()) -> Reply:
        self._eviction.require_none()
        try:
            return await self._look_list_up(*fields, reads=reads)
        except (LayoutLeft, NeverFilled):
            if self._recorded is None:
                raise
            await self._recorded.ask()
        return await self._look_list_up(*fields, reads=reads)


def _batcher(connect: Connect, _tags: Sequence[str] = (), **more: Any) -> Batcher:
    return Batcher(connect, **more)


def _asking(batcher: Batcher | NodeBatchers, layout: Layout, patience: float) -> Ask:
    if not layout.is_divided:
        return partial(batcher.ask, layout.own[0])
    return Scatter(batcher.ask, layout, patience=patience).ask


async def _ask_nobody(*_: Field, reads: Sequence[Read] = ()) -> Reply:  # noqa: ARG001 - as what asks a layout
    raise NeverFilled(UNKNOWN)


def _unique_entries(by: Iterable[str], keys: GenerationKeys) -> Mapping[str, str]:
    return {each: keys.unique_entries(each) for each in by}
