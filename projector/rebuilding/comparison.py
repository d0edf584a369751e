"""How the records of two generations differ, while both are being fed."""

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from operator import not_
from typing import TypeAlias

import msgspec

from projector.declaring.documents import Key
from projector.store.collections import Variant
from projector.store.generations import Comparison, Order, RecordChange, Sample
from projector.store.inspection import GenerationQuery, GenerationSnapshot
from projector.store.ports import ProjectionStore
from shared.read_model.envelope import Sealed, entity_tags, tagged, unseal
from shared.read_model.positions import Checkpoint, Pointer
from shared.runtime.retry import RetryPolicy, poll

Compare: TypeAlias = Callable[[Pointer, Pointer], Coroutine[None, None, Comparison]]
"""Compares the records of the live generation and of another one."""

Suspect: TypeAlias = tuple[Key, RecordChange]

FULL = "full"
"""The variant that is compared."""

MOST_GONE = 0.1
"""The part of all records that may be missing in a new generation before an operator has to confirm it."""

SIDE_BY_SIDE = poll(0.02, attempts=50)


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparisonLimits:
    """How thoroughly two generations are compared."""

    samples: int = 20
    """Differences that are named."""
    confirmed: int = 500
    """Differences that are read a second time; of further ones, the first read counts."""
    side_by_side: RetryPolicy = SIDE_BY_SIDE
    """Two generations are at the same place again and again, but not all the time."""


class Comparer:
    """
    Compare two generations of one projection.

    First the entity tags, walking both; then what differs is read again side by side, until the two stand at places
    at which nothing but a difference in the records themselves can explain it.
    """

    def __init__(self, store: ProjectionStore, *, limits: ComparisonLimits | None = None) -> None:
        self._projection = store.projection
        self._inspector = store.inspector
        self._limits = limits or ComparisonLimits()

    async def compare(self, live: Pointer, other: Pointer) -> Comparison:
        """Return the differences of the records of `other` from those of `live`."""
        trimmed = await self._trimmed(live, other)
        kinds = [kind.name for kind in self._projection.kinds]
        tags = {kind: await self._tags(live, kind, trimmed) for kind in kinds}
        suspects = [each for kind, own in tags.items() for each in await self._suspects(other, kind, own, trimmed)]
        suspects = self._without_rekeyed(suspects, live, other)
        samples = await self._confirmed(live, other, [key for key, _ in suspects[: self._limits.confirmed]])
        counts = Counter(each.difference for each in samples)
        counts.update(difference for _, difference in suspects[self._limits.confirmed :])
        return Comparison(
            records=sum(map(len, tags.values())),
            new=counts["new"],
            gone=counts["gone"],
            changed=counts["changed"],
            samples=tuple(samples[: self._limits.samples]),
        )

    async def _trimmed(self, *pointers: Pointer) -> int:
        """Return the position up to which one of the generations keeps nothing."""
        if self._projection.retention is None:
            return 0
        return _trimmed(await self._inspector.inspect(pointers, GenerationQuery()))

    async def _tags(self, pointer: Pointer, kind: str, trimmed: int) -> dict[str, bytes]:
        """Return the entity tags of what a generation keeps of a kind, where it is trimmed up to a position."""
        tags = dict[str, bytes]()
        async for portion in self._inspector.walk(pointer, Variant(kind, FULL)):
            tags.update(zip(map(str, portion), entity_tags(portion.values()), strict=True))
        if self._projection.retention is None:
            return tags
        return {id_: tag for id_, tag in tags.items() if not self._projection.is_trimmed(Key(kind, id_), at=trimmed)}

    async def _suspects(self, pointer: Pointer, kind: str, tags: Mapping[str, bytes], trimmed: int) -> list[Suspect]:
        """Return the keys that differ in a generation from these entity tags."""
        others = await self._tags(pointer, kind, trimmed)
        suspects: list[Suspect] = [(Key(kind, id_), "gone") for id_ in tags if id_ not in others]
        differing = [id_ for id_, tag in others.items() if tags.get(id_) != tag]
        return suspects + [(Key(kind, id_), "changed" if id_ in tags else "new") for id_ in differing]

    def _without_rekeyed(self, suspects: list[Suspect], *pointers: Pointer) -> list[Suspect]:
        """Leave out what only has another key in one of the generations."""
        if all(each.version >= self._projection.rekeyed for each in pointers):
            return suspects
        return [(key, difference) for key, difference in suspects if difference != "gone"]

    async def _confirmed(self, live: Pointer, other: Pointer, keys: Sequence[Key]) -> list[Sample]:
        """Judge documents until none is moving, or there is no time left."""
        samples: list[Sample] = []
        moving = list(keys)

        async def judge() -> Sequence[Key]:
            both = await self._inspector.inspect((live, other), GenerationQuery(moving, variants=(FULL,)))
            judged = {key: _judged(key, *both) for key in self._kept(moving, at=_trimmed(both))}
            samples.extend(sample for sample in judged.values() if isinstance(sample, Sample))
            moving[:] = [key for key, sample in judged.items() if sample is Judgement.MOVING]
            return () if any(each.damaged for each in both) else moving  # one that is damaged moves no more

        if moving:
            await self._limits.side_by_side.until(not_, judge)
        return samples

    def _kept(self, keys: Sequence[Key], *, at: int) -> Sequence[Key]:
        return [key for key in keys if not self._projection.is_trimmed(key, at=at)]


class OneComparison:
    """At most one comparison in the background: the last one wanted."""

    def __init__(self, compare: Compare, *, when_done: Callable[[], None]) -> None:
        self._compare = compare
        self._when_done = when_done
        self._task: asyncio.Task[Comparison] | None = None
        self._pair: tuple[Pointer, Pointer] | None = None

    def of(self, live: Pointer, other: Pointer) -> Comparison | None:
        """Return its outcome, once; begin it if it is not under way, and return None while it is."""
        if self._pair != (live, other):
            self.stop()
        if self._task is None:
            self._pair = (live, other)
            self._task = asyncio.create_task(self._compare(live, other))
            self._task.add_done_callback(lambda _: self._when_done())
        if not self._task.done():
            return None
        done, self._task = self._task, None
        return done.result()

    def stop(self) -> None:
        """Forget it."""
        if self._task:
            self._task.cancel()
            self._task = None


class Judgement(Enum):
    """The verdict on a document without a difference."""

    EQUAL = auto()
    MOVING = auto()
    """One of the generations has not come far enough."""


def reason_to_hold(comparison: Comparison, order: Order) -> str | None:
    """Return why an operator has to decide before readers use the new generation, None if they need not."""
    if comparison.gone > MOST_GONE * comparison.records and not order.force:
        return (
            f"{comparison.gone} of {comparison.records} records would be gone: if that is right, order the rebuild"
            " again with --force; if not, abort it"
        )
    return "it was to wait here: order the rebuild again to switch, or abort it" if order.hold else None


def _trimmed(generations: Iterable[GenerationSnapshot]) -> int:
    return max(each.checkpoint.trimmed for each in generations)


def _judged(key: Key, live: GenerationSnapshot, other: GenerationSnapshot) -> Sample | Judgement:
    old, new = _opened(live, key), _opened(other, key)
    if (old and old.etag) == (new and new.etag):
        return Judgement.EQUAL
    if not _is_comparable(old, live.checkpoint, new, other.checkpoint):
        return Judgement.MOVING
    if old and new:
        return Sample(kind=key.kind, id=key.id, difference="changed", fields=tuple(_differing(old.body, new.body)))
    return Sample(kind=key.kind, id=key.id, difference="new" if new else "gone")


def _opened(generation: GenerationSnapshot, key: Key) -> Sealed | None:
    sealed = generation.documents[key, FULL]
    return tagged(unseal(sealed)) if sealed is not None else None


def _is_comparable(old: Sealed | None, live: Checkpoint, new: Sealed | None, other: Checkpoint) -> bool:
    """
    Whether both reflect the same events of the document.

    Each must have come as far as what the other reflects. What is missing does not say since when: then the other must
    not be the one that is behind, for it may only not have dropped it yet.
    """
    if live.is_retrying or other.is_retrying:
        return False
    if old and new:
        return old.position <= other.reached and new.position <= live.reached
    if old:
        return old.position <= other.reached <= live.reached
    return new is not None and new.position <= live.reached <= other.reached


def _differing(old: bytes, new: bytes) -> Iterator[str]:
    before, now = msgspec.json.decode(old), msgspec.json.decode(new)
    yield from (
        name for name in {**before, **now} if (name in before, before.get(name)) != (name in now, now.get(name))
    )
