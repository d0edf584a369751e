"""Answers that take several round trips: all of one generation, and as old as the oldest of them."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, NamedTuple, Protocol, TypeVar

from read_side.adapters.redis.transport.batcher import Reply, Seen
from read_side.adapters.redis.transport.generation import Partition
from read_side.adapters.redis.transport.reads import Field, Read
from read_side.freshness import Positioned
from shared.errors import Unavailable

A = TypeVar("A")
P = TypeVar("P", bound=Positioned)


class Ask(Protocol):
    """Makes one round trip."""

    def __call__(self, *fields: Field, reads: Sequence[Read] = ()) -> Awaitable[Reply]: ...


class Attempt(NamedTuple, Generic[A]):
    """The answer, and whether nothing moved while it was looked for; no answer if the generation itself did."""

    answer: A | None
    consistent: bool


class GenerationMoved(Exception):
    """Another generation or layout went live between two round trips; what the first ones saw counts for nothing."""


class ConsistentRead:
    """
    The round trips of one answer.

    :ivar moves: how often one of its round trips found that something was written since the one before.
    """

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._last: dict[Partition, Seen] = {}
        self._switches: int | None = None
        self._position: int | None = None
        self.moves = 0

    @property
    def has_moved(self) -> bool:
        """Whether anything was written between two of its round trips."""
        return self.moves > 0

    @property
    def position(self) -> int:
        """The earliest position that a round trip has seen; there has been one."""
        if self._position is None:
            raise RuntimeError("nothing was read yet")
        return self._position

    async def ask(self, *fields: Field, reads: Sequence[Read] = ()) -> Reply:
        """
        Make another round trip.

        :raises GenerationMoved: it saw another generation, layout or version than those before.
        """
        reply = await self._ask(*fields, reads=reads)
        if self._position is None or reply.position < self._position:
            self._position = reply.position
        for each in reply.seen:
            self.moves += self._is_moved(each)
        return reply

    def _is_moved(self, seen: Seen) -> bool:
        """Whether anything was written in a partition since it was last seen."""
        before, self._last[seen.partition] = self._last.get(seen.partition), seen
        if before is None:
            if self._switches not in {None, seen.partition.switches}:
                raise GenerationMoved
            self._switches = seen.partition.switches
            if len(self._last) > 1:
                self._require_version_of_others(seen)
            return False
        if seen.generation != before.generation:
            raise GenerationMoved
        return seen.checkpoint != before.checkpoint

    def _require_version_of_others(self, seen: Seen) -> None:
        """Another trip may have seen other partitions of the projection, before another version went live."""
        projection = seen.partition.keys.projection
        other = next(each for each in self._last.values() if each.partition.keys.projection == projection)
        if other.version != seen.version:
            raise GenerationMoved


async def until_consistent(look: Callable[[], Awaitable[Attempt[P]]], *, attempts: int) -> P:
    """
    Look until nothing moves meanwhile, or nothing else does.

    :raises Unavailable: it keeps moving.
    """
    inconsistent: list[P | None] = []
    for _ in range(attempts):
        answer, is_consistent = await _looked(look)
        if answer and is_consistent:
            return answer
        inconsistent.append(answer)
    last = inconsistent[-1]
    if last is None or any(each is None or each.position != last.position for each in inconsistent):
        raise Unavailable("What is looked for keeps moving")
    return last


async def _looked(look: Callable[[], Awaitable[Attempt[P]]]) -> Attempt[P]:
    try:
        return await look()
    except GenerationMoved:
        return Attempt(None, consistent=False)
