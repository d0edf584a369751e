"""
Partitions, asked as if they were one.

What has an id is asked of the partition that has it. Lists are asked of all: of so many entries wanted each partition
gives what is likely to be its part of them, and more only where that may not have been all of its part.
"""

from abc import ABC, abstractmethod
from asyncio import gather
from collections import defaultdict
from collections.abc import Awaitable, Iterable, Mapping, Sequence
from functools import partial
from itertools import chain
from math import ceil, sqrt
from typing import Any, Protocol

from read_side.adapters.redis.transport.batcher import Reply, Seen
from read_side.adapters.redis.transport.generation import Partition
from read_side.adapters.redis.transport.layout import Layout
from read_side.adapters.redis.transport.reads import Count, Field, Fields, Range, Read, Scores
from shared.errors import Unavailable
from shared.read_model.ordering import names_at
from shared.runtime.retry import RetryPolicy


class AskPartition(Protocol):
    """Makes one round trip to one partition."""

    def __call__(self, partition: Partition, /, *fields: Field, reads: Sequence[Read] = ()) -> Awaitable[Reply]: ...


class Scatter:
    """
    Asks whichever partitions have what is wanted.

    :param patience: seconds for which partitions are asked again that have different versions of their projection live.
    """

    def __init__(self, ask: AskPartition, layout: Layout, *, patience: float) -> None:
        self._ask_partition = ask
        self._layout = layout
        self._until_one_version = RetryPolicy(first=0.002, longest=0.1, within=patience)

    async def ask(self, *fields: Field, reads: Sequence[Read] = ()) -> Reply:
        """
        Return the values of these fields, in this order, and what is read besides: of each partition from one moment.

        Where nothing is wanted, each partition is asked where it stands.

        :raises Unavailable, Overloaded: see `Batcher.ask`; or another version is going live, and is not in time.
        """
        if len(fields) == 1 and not reads:  # a look-up, for which nothing is put together
            return await self._ask_partition(self._layout.of(fields[0]), *fields)
        reply = await self._until_one_version.until(_is_of_one_version, partial(self._ask, fields, reads))
        if _is_of_one_version(reply):
            return reply
        raise Unavailable("Another version of the read model is going live")

    async def _ask(self, fields: Sequence[Field], reads: Sequence[Read]) -> Reply:
        order = [self._layout.of(each) for each in fields]
        parts = [_parts(each, self._layout) for each in reads]
        asked = _grouped(order, fields) if fields or reads else dict.fromkeys(self._layout.all, ())
        replies = await self._trip(asked, parts)
        seen = [*_seen(replies), *await self._complete(parts)]
        position = min(each.position for each in seen)
        return Reply(position, _values(order, replies), [part.result for part in parts], seen)

    async def _complete(self, parts: Sequence["_Parts"]) -> Sequence[Seen]:
        """Ask for more until all parts have what they want, and return what was seen."""
        seen: list[Seen] = []
        while any(map(_is_open, parts)):
            seen += _seen(await self._trip({}, parts))
        return seen

    async def _trip(
        self, asked: Mapping[Partition, Sequence[Field]], parts: Sequence["_Parts"]
    ) -> Mapping[Partition, Reply]:
        """Ask each partition for these fields and what the parts want of it, and give the parts what it answers."""
        wanted = defaultdict[Partition, list[Read]](list)
        for part in parts:
            for partition, read in part.wanted.items():
                wanted[partition].append(read)
        partitions = list(dict.fromkeys(chain(asked, wanted)))
        replies = await gather(
            *[self._ask_partition(each, *asked.get(each, ()), reads=wanted.get(each, ())) for each in partitions]
        )
        results = {partition: iter(reply.results) for partition, reply in zip(partitions, replies, strict=True)}
        for part in filter(_is_open, parts):
            part.take({partition: next(results[partition]) for partition in part.wanted})
        return dict(zip(partitions, replies, strict=True))


class _Parts(ABC):
    """
    One read, of which each partition answers a part.

    :ivar wanted: what is to be asked next; nothing once the answer is whole.
    :ivar result: what one partition would have answered that has all.
    """

    wanted: Mapping[Partition, Read]
    result: Any

    @abstractmethod
    def take(self, results: Mapping[Partition, Any]) -> None:
        """Take what the partitions answered to what was wanted of them; called as long as anything is."""


class _Routed(_Parts):
    """Items with ids: each is asked of the partition that has it."""

    def __init__(self, order: Sequence[Partition], wanted: Mapping[Partition, Read]) -> None:
        self.wanted, self._order = wanted, order

    def take(self, results: Mapping[Partition, Sequence[Any]]) -> None:
        own = {partition: iter(each) for partition, each in results.items()}
        self.wanted, self.result = {}, [next(own[partition]) for partition in self._order]


class _Counted(_Parts):
    """Counts, which are summed."""

    def __init__(self, read: Count, partitions: Sequence[Partition]) -> None:
        self.wanted = dict.fromkeys(partitions, read)

    def take(self, results: Mapping[Partition, int]) -> None:
        self.wanted, self.result = {}, sum(results.values())


class _Merged(_Parts):
    """Entries in order."""

    def __init__(self, read: Range, partitions: Sequence[Partition]) -> None:
        self._limit, self._descending = read.limit, read.descending
        self.wanted: Mapping[Partition, Range] = dict.fromkeys(
            partitions, read._replace(limit=_portion(read.limit, len(partitions)))
        )
        self.result: Sequence[bytes] = []

    def take(self, results: Mapping[Partition, Sequence[bytes]]) -> None:
        found = sorted(chain(self.result, *results.values()), reverse=self._descending)
        self.result = found[: self._limit]
        self.wanted = {
            partition: self.wanted[partition]._replace(start=b"(" + entries[-1], limit=self._limit)
            for partition, entries in results.items()
            if len(entries) == self.wanted[partition].limit and self._goes_on(entries[-1])
        }

    def _goes_on(self, last: bytes) -> bool:
        """Whether what comes behind an entry of a partition may be among what is looked for."""
        if len(self.result) < self._limit:
            return True
        return last > self.result[-1] if self._descending else last < self.result[-1]


def _is_open(part: _Parts) -> bool:
    return bool(part.wanted)


def _parts(read: Read, layout: Layout) -> _Parts:
    match read:
        case Range():
            return _Merged(read, layout.own)
        case Count():
            return _Counted(read, layout.own)
        case Fields():
            order = [layout.of_id(each) for each in read.fields]
            own = _grouped(order, read.fields)
            return _Routed(order, {each: read._replace(fields=tuple(fields)) for each, fields in own.items()})
        case Scores():
            order = [layout.of_id(each) for each in names_at(read.rests)]
            rests = _grouped(order, read.rests)
            return _Routed(order, {each: read._replace(rests=tuple(own)) for each, own in rests.items()})


def _grouped(order: Iterable[Partition], items: Iterable[Any]) -> Mapping[Partition, Sequence[Any]]:
    own = defaultdict[Partition, list[Any]](list)
    for partition, item in zip(order, items, strict=True):
        own[partition].append(item)
    return own


def _portion(limit: int, partitions: int) -> int:
    """Return how many of so many entries one of the partitions has at most, as good as always."""
    part = limit / partitions
    return min(limit, ceil(part + 3 * sqrt(part)) + 1)


def _seen(replies: Mapping[Partition, Reply]) -> Iterable[Seen]:
    return chain.from_iterable(reply.seen for reply in replies.values())


def _values(order: Iterable[Partition], replies: Mapping[Partition, Reply]) -> Sequence[bytes | None]:
    """Return the values that partitions gave, of which each was asked for its own in this order."""
    own = {partition: iter(reply.values) for partition, reply in replies.items()}
    return [next(own[partition]) for partition in order]


def _is_of_one_version(reply: Reply) -> bool:
    versions = {(each.partition.keys.projection, each.version) for each in reply.seen}
    return len(versions) == len({projection for projection, _ in versions})
