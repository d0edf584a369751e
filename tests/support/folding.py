"""Feeding a store by hand, batch by batch, and looking at what it holds then."""

from collections.abc import Coroutine, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TypeAlias, TypeVar

import msgspec

from projector.adapters.memory.read_model import MemoryReadModel
from projector.adapters.memory.store import MemoryStore
from projector.declaring.documents import Key
from projector.declaring.fan_out import RunningFanOut
from projector.declaring.index_entries import Entry, SortedEntry, UniqueEntry
from projector.declaring.projection import Projection
from projector.folding.batch import Batch
from projector.folding.fold import MOST_FAN_OUTS, Basis, Folded, ProjectionFold
from projector.folding.index_changes import Indexer
from projector.folding.parking import Parking
from projector.parked.events import commit_of
from projector.processing.commit import GenerationWriter, Standing
from projector.processing.retry import retry_next
from projector.processing.trimming import trim_next
from projector.projections.profiles import profiles
from projector.store.codec import parking_at
from projector.store.generations import Order
from projector.store.ports import ReadModel
from projector.store.transitions import filling, switched
from shared.event_log import MemoryEventLog, RecordedEvent
from shared.read_model.envelope import unseal, without_mark
from shared.read_model.keys import INDEX_ROW
from shared.read_model.positions import Checkpoint, FanOutProgress, Pointer

Result = TypeVar("Result")
Held: TypeAlias = Mapping[str, dict[str, bytes] | set[bytes]]
"""What a generation holds: hashes and lists, by the end of their keys."""

PROFILES = profiles
POINTER = Pointer("g1", profiles.version)
ORDER = Order(by="a test", at=datetime(2026, 11, 25, tzinfo=UTC))
PREFIX = "muster:{0}:profiles:g1:"
START = Checkpoint()


def at_once(work: Coroutine[object, object, Result]) -> Result:
    """Return the result of a coroutine that never waits, as on stores in memory; far faster than an event loop."""
    try:
        work.send(None)
    except StopIteration as done:
        return done.value
    raise AssertionError("the coroutine waited")


def folded(
    events: Sequence[RecordedEvent],
    envelopes: Mapping[Key, bytes | None] | None = None,
    *,
    projection: Projection = PROFILES,
    after: Checkpoint = START,
) -> Batch:
    """The batch of events, on stored documents or an empty store; all that they want was fetched."""
    envelopes = dict.fromkeys(projection.plan.wanted(events)) if envelopes is None else envelopes
    return ProjectionFold(projection).fold(events, envelopes.__getitem__, Basis(after)).batch


async def begin(model: ReadModel, projection: Projection = PROFILES, *, generation: str = "g1") -> None:
    """Begin the first fill."""
    await model.transition(filling(Pointer(generation, projection.version), ORDER, target=0))


async def go_live(model: ReadModel, projection: Projection = PROFILES) -> None:
    """End the first fill."""
    await model.transition(switched(Pointer("g1", projection.version), at=ORDER.at))


async def fold_next(
    model: ReadModel,
    log: Sequence[RecordedEvent],
    *,
    size: int,
    projection: Projection = PROFILES,
    fan_out: int = 1000,
    code: str = "unnamed",
) -> bool:
    """
    Do what the engine does in one pass: what is parked and due, the next events, then a step of a fan-out.

    Says whether there was anything.
    """
    fold = ProjectionFold(projection, code=code)
    checkpoint = (await model.survey()).checkpoint
    fan_outs = [_taken_up(each, log, fold) for each in checkpoint.fan_outs]
    events = (
        [each for each in log if each.position > checkpoint.position][:size] if len(fan_outs) < MOST_FAN_OUTS else []
    )
    writer = GenerationWriter(fold=fold, model=model, generation=POINTER.generation)
    if not fan_outs and (folded := await _retried(log, size, checkpoint, writer)):
        checkpoint, fan_outs = folded.batch.checkpoint, folded.fan_outs
        events = [] if folded.is_due or not size else events
        if not events:
            return True
    if events:
        folded = await writer.commit_events(events, Standing(checkpoint, fan_outs))
        checkpoint, fan_outs = folded.batch.checkpoint, folded.fan_outs
    if fan_outs and fan_out:
        await writer.commit_fan_out(Standing(checkpoint, fan_outs), limit=fan_out)
    return bool(events or fan_outs)


async def fold_all(
    model: ReadModel,
    log: Sequence[RecordedEvent],
    *,
    size: int = 500,
    projection: Projection = PROFILES,
    code: str = "unnamed",
) -> None:
    while await fold_next(model, log, size=size, projection=projection, code=code):
        pass


async def cleanly_folded(log: Sequence[RecordedEvent], projection: Projection = PROFILES) -> Held:
    """What a store holds that took the whole log at once."""
    store = MemoryStore()
    model = MemoryReadModel(store, projection=projection)
    await begin(model, projection)
    await fold_all(model, log, size=len(log) or 1, projection=projection)
    return held(store.content, projection)


def held(content: Mapping[str, object], projection: Projection = PROFILES) -> Held:
    """Documents, unique entries and lists of the generation; an empty one is none, as in Redis. Not what is parked."""
    prefix = f"muster:{{0}}:{projection.name}:g1:"
    values = {key.removeprefix(prefix): value for key, value in content.items() if key.startswith(prefix)}
    return {key: value for key, value in values.items() if isinstance(value, dict | set) and value and key != "parked"}


def as_served(found: Held) -> Held:
    """
    The same without the positions that documents reflect.

    What a retried event brings to those that went on without it does not raise them.
    """
    return {
        key: value
        if isinstance(value, set) or key.startswith("by-") or key.endswith(f":{INDEX_ROW}")
        else {name: unseal(envelope)[1:] for name, envelope in value.items()}
        for key, value in found.items()
    }


def as_read(content: Mapping[str, object], projection: Projection = PROFILES) -> Held:
    """
    The same without entries that the document they lead to does not have: readers compare, and pass over them.

    Three crashes in a row, each in the middle of a commit, can leave such a one behind.
    """
    found = held(content, projection)
    entries = _entries(found, projection)
    by_list = {each.by for each in entries if isinstance(each, SortedEntry)}
    unique_entries = {
        (entry.by, entry.value, whose) for entry, whose in entries.items() if isinstance(entry, UniqueEntry)
    }
    listed = {by: {each.entry for each in entries if isinstance(each, SortedEntry) and each.by == by} for by in by_list}
    return {
        key: value & listed.get(key.removeprefix("list:"), set())
        if isinstance(value, set)
        else {field: whose for field, whose in value.items() if (key, field, whose.decode()) in unique_entries}
        if key.startswith("by-")
        else value
        for key, value in found.items()
    }


def _entries(found: Held, projection: Projection) -> dict[Entry, str]:
    """Every entry that the documents have, and whose it is."""
    indexer, entries = Indexer(projection), dict[Entry, str]()
    for kind in projection.kinds:
        for name, envelope in found.get(f"{kind.name}:full", {}).items():
            record = msgspec.json.decode(without_mark(unseal(envelope)), type=kind.record)
            key = Key(kind.name, name)
            entries |= dict.fromkeys(indexer.change(key, None, record)[1], name)
    return entries


async def parked(model: ReadModel, projection: Projection = PROFILES) -> Parking:
    """What is parked in the generation."""
    checkpoint = (await model.survey()).checkpoint
    async with model.commit(POINTER.generation, expected=checkpoint) as commit:
        return parking_at(checkpoint, commit.parked, projection=projection.name)


class Generation:
    """A log, and a generation in memory that it is folded into, by one release after the other."""

    def __init__(
        self, events: Sequence[RecordedEvent], projection: Projection = PROFILES, *, store: MemoryStore | None = None
    ) -> None:
        self.events, self.projection, self.store = events, projection, store or MemoryStore()
        self.model = MemoryReadModel(self.store, projection=projection)
        at_once(begin(self.model, projection))

    def fold(
        self,
        projection: Projection | None = None,
        *,
        code: str = "buggy",
        size: int = 500,
        steps: Iterable[tuple[int, int]] | None = None,
    ) -> None:
        """All that there is, so many events at once, or some steps of (events, documents of a fan-out)."""
        projection = projection or self.projection
        for most, fan_out in steps or ():
            at_once(fold_next(self.model, self.events, size=most, fan_out=fan_out, projection=projection, code=code))
        if steps is None:
            at_once(fold_all(self.model, self.events, size=size, projection=projection, code=code))

    def trim(self) -> None:
        """Take a step in dropping what is not kept any longer."""
        fold = ProjectionFold(self.projection)
        writer = GenerationWriter(fold=fold, model=self.model, generation=POINTER.generation)
        at_once(trim_next(writer, Standing(self.checkpoint), self.projection.retention, now=ORDER.at))

    async def ask(self, parking: Parking) -> None:
        """Write down what operators want, as the ops API does."""
        async with self.model.commit(POINTER.generation, expected=self.checkpoint) as commit:
            await commit.apply(commit_of(parking, self.checkpoint))

    @property
    def held(self) -> Held:
        return held(self.store.content, self.projection)

    @property
    def clean(self) -> Held:
        """What it would hold if the whole log had been taken at once."""
        return at_once(cleanly_folded(self.events, self.projection))

    @property
    def parking(self) -> Parking:
        return at_once(parked(self.model, self.projection))

    @property
    def checkpoint(self) -> Checkpoint:
        return at_once(self.model.survey()).checkpoint


async def _retried(
    log: Sequence[RecordedEvent], size: int, after: Checkpoint, writer: GenerationWriter
) -> Folded | None:
    if not after.parked:
        return None
    events = MemoryEventLog()
    events.append(log)
    async with events.connect() as reader:
        return await retry_next(reader, writer, Standing(after), limit=max(1, size))


def _taken_up(progress: FanOutProgress, log: Sequence[RecordedEvent], fold: ProjectionFold) -> RunningFanOut:
    (recorded,) = (each for each in log if each.position == progress.position)
    return RunningFanOut(progress, fold.fan_out_of(recorded), recorded.occurred_at)
