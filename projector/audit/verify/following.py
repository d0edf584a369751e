"""A fold that is always where the generation is that it is compared with."""

from collections.abc import AsyncIterator, Collection, Iterable, Sequence
from dataclasses import dataclass

from projector.audit.live import NothingToVerify, inspect_live, live_generation
from projector.audit.verify.expectation import Expectations, Expected
from projector.audit.verify.fold import Fold, advance_together
from projector.declaring.documents import Key
from projector.declaring.index_entries import Entry
from projector.processing.fork_check import ForkCheck
from projector.store.errors import Superseded
from projector.store.inspection import GenerationQuery, GenerationSnapshot
from projector.store.ports import ProjectionStore
from shared.event_log import EventReader, LogIdentity, RecordedEvent
from shared.read_model.positions import Checkpoint, FanOutProgress, Pointer
from shared.runtime.progress import Progress
from shared.runtime.retry import poll

PROGRESS = GenerationQuery()
"""Asks for nothing but how far the generation has come."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyLimits:
    """How long a verification waits for the projector, in seconds, and how often it tries."""

    together: int = 1_000_000
    """Documents of the parts of a projection that share a reading of the log; so many take 1.5 GB of memory."""
    portion: int = 5_000
    """Events read and folded at once; more than so many are replayed, which a standby can do as well."""
    retry: float = 60.0
    """For an event that was parked to be brought to all documents that it concerns."""
    erasure: float = 10.0
    """For the store to come to an erasure that the log has."""
    fan_out: float = 5.0
    """For fan-outs to end; then every list is walked, since none has the size that it will have."""
    pause: float = 0.05
    attempts: int = 100
    """To do something while documents change: each takes a few milliseconds."""


class FollowingFold:
    """
    Looks at a generation, and folds the log up to exactly the checkpoint that was read before anything is compared.

    So nothing has to stand still, and nothing that is found is owed to something that was under way.
    """

    def __init__(self, store: ProjectionStore, *, reader: EventReader, limits: VerifyLimits) -> None:
        self.store = store
        self.fold = Fold(store.projection)
        self.limits = limits
        self.live = Pointer("", 0)
        """The generation that is looked at, from `begin` on."""
        self.checkpoint = Checkpoint()
        """The last that was read; the fold is there."""
        self._late: dict[Key, frozenset[Entry]] = {}
        """What leads to the documents that were touched since `begin`."""
        self._expectations = Expectations(self.fold)
        self._fork_check = ForkCheck(projection=store.projection.name)
        self._reader = reader

    async def first_look(self) -> GenerationSnapshot:
        """
        Look up to where everything is to be folded, and without what.

        :raises Superseded: as with `look`.
        :raises NothingToVerify: the generation was made by another version of the projection.
        :raises LogForked: the log is not the one that was projected.
        """
        self.live = await live_generation(self.store.inspector, projection=self.store.projection.name)
        self._require_version(self.live)
        snapshot = await self._without_retries()
        await self._fork_check.require(self._reader, snapshot.checkpoint)
        self._leave_out(snapshot)
        return snapshot

    async def begin(self, first: GenerationSnapshot) -> None:
        """
        Fold what is left up to the checkpoint of the first look.

        :raises Superseded: as with `look`.
        """
        async for _ in self._catch_up(first):
            pass
        await self._all_erased()

    async def look(self, query: GenerationQuery) -> GenerationSnapshot:
        """
        Read all of it at one moment, to which the fold has come then.

        :raises Superseded: readers were sent to another generation, the store came back older, or what the fold has
            left out was folded into it by now, or the other way round.
        """
        snapshot, _ = await self._look(query)
        return snapshot

    async def compare(self, keys: Collection[Key]) -> tuple[GenerationSnapshot, dict[Key, list[Expected]]]:
        """
        Documents, with all that leads to them, as they are and as they should be at the same moment.

        :raises Superseded: they change faster than they can be read, or as with `look`.
        """
        expected = {key: self.expected(key) for key in keys}
        for _ in range(self.limits.attempts):
            entries, before = _entries_of(expected.values()), self._moment
            snapshot, touched = await self._look(GenerationQuery(documents=keys, entries=entries))
            stale = keys if self._moment != before else touched.intersection(keys)
            expected |= {key: self.expected(key) for key in stale}
            if snapshot.owners.keys() >= _entries_of(expected[key] for key in stale):
                return snapshot, expected
        raise Superseded("documents change faster than they can be read")

    def expected(self, key: Key) -> list[Expected]:
        """Whatever would be right at the checkpoint."""
        return self._expectations.of(key, self.checkpoint.fan_outs)

    def final(self, key: Key) -> Expected:
        """Return the document once every fan-out has come to it."""
        return self._expectations.final(key, self.checkpoint.fan_outs)

    def is_trimmed(self, key: Key) -> bool:
        """Whether nothing of a document is kept at the checkpoint: it may be there or not."""
        return self.fold.projection.is_trimmed(key, at=self.checkpoint.trimmed)

    def is_owed_to_later(self, entry: Entry) -> bool:
        """Whether events since `begin` put the entry there, or a fan-out is still to come by and to strike it."""
        return any(entry in each for each in self._late.values()) or self._is_ahead_of_a_fan_out(entry)

    def _is_ahead_of_a_fan_out(self, entry: Entry) -> bool:
        done = {each.position: each.done for each in self.checkpoint.fan_outs}
        fan_outs = [each for each in self.fold.fan_outs if each.position in done]
        return any(each.fan_out.is_ahead(entry, done=done[each.position]) for each in fan_outs)

    @property
    def _moment(self) -> tuple[int, Sequence[FanOutProgress], int]:
        """Return the state on which a document depends that no event has touched."""
        return len(self.fold.fan_outs), self.checkpoint.fan_outs, self.checkpoint.parked

    @property
    def _is_erasing(self) -> bool:
        """Whether events were redacted that the store reflects as they were: it has not come to the erasure yet."""
        return self.fold.erased_by > self.checkpoint.position

    async def _all_erased(self) -> None:
        """Follow the store to the erasures of which redacted events tell, or until that has taken too long."""
        if self._is_erasing:
            policy = poll(self.limits.pause, within=self.limits.erasure)
            await policy.until(lambda is_erasing: not is_erasing, self._is_still_erasing)

    async def _is_still_erasing(self) -> bool:
        async for _ in self._catch_up(await self._inspect()):
            pass
        return self._is_erasing

    async def _without_retries(self) -> GenerationSnapshot:
        """Look once no event that was parked is being brought to many documents, or that has taken too long."""
        policy = poll(self.limits.pause, within=self.limits.retry)
        return await policy.until(lambda snapshot: not snapshot.checkpoint.is_retrying, self._inspect)

    async def _inspect(self, query: GenerationQuery = PROGRESS) -> GenerationSnapshot:
        return await inspect_live(self.store.inspector, self.live, query)

    async def _look(self, query: GenerationQuery) -> tuple[GenerationSnapshot, set[Key]]:
        """Also the documents that were touched since the last look."""
        snapshot = await self._inspect(query)
        touched = {key async for portion in self._catch_up(snapshot) for key in portion}
        if self._is_erasing:
            raise Superseded("a person was erased whom the store still has")
        self._late |= {key: frozenset(_entries(self.expected(key))) for key in touched}
        return snapshot, touched

    async def _catch_up(self, snapshot: GenerationSnapshot) -> AsyncIterator[set[Key]]:
        """Fold up to the checkpoint, without what is parked; gives what is touched, portion by portion."""
        if (checkpoint := snapshot.checkpoint).position < self.fold.position:
            raise Superseded("the store came back older")
        if checkpoint.is_retrying:
            raise Superseded("an event that was parked is being brought to many documents")
        self._leave_out(snapshot)
        async for events in events_of(self._reader, self.fold, until=checkpoint.position, limits=self.limits):
            yield self.fold.advance(events)
        await self._require_same_log(checkpoint)
        self.checkpoint = checkpoint

    def _leave_out(self, snapshot: GenerationSnapshot) -> None:
        self.fold.leave_out(snapshot.parking)
        self.fold.trimmed = snapshot.checkpoint.trimmed

    async def _require_same_log(self, checkpoint: Checkpoint) -> None:
        if self.fold.identity != LogIdentity(checkpoint.event_id, checkpoint.count):
            await self._fork_check.require(self._reader, checkpoint)
            raise Superseded("the log cannot be read up to the checkpoint")

    def _require_version(self, live: Pointer) -> None:
        projection = self.fold.projection
        if live.version != projection.version:
            raise NothingToVerify(
                f"projection {projection.name}: generation {live.generation} was made by version {live.version}, this"
                f" release has version {projection.version}: verify it with a release that has the same"
            )


async def begin_together(followings: Sequence[FollowingFold], *, reader: EventReader, progress: Progress) -> None:
    """
    Fold what all generations reflect by one reading of the log, and then each of them up to its checkpoint.

    :raises Superseded, NothingToVerify, LogForked: see `FollowingFold.first_look`.
    """
    looks = [(each, await each.first_look()) for each in followings]
    until = min(first.checkpoint.position for _, first in looks)
    (fold, *_), limits = [each.fold for each in followings], followings[0].limits
    stage = f"{fold.projection.label if len(looks) == 1 else fold.projection.name}, folding the log"
    progress.begin("event", total=until, stage=stage)
    async for events in events_of(reader, fold, until=until, limits=limits):
        advance_together([each.fold for each in followings], events)
        progress.show(fold.identity.count, reached=fold.position)
    for each, first in looks:
        await each.begin(first)


async def events_of(
    reader: EventReader, fold: Fold, *, until: int, limits: VerifyLimits
) -> AsyncIterator[Sequence[RecordedEvent]]:
    """Give what follows a fold, up to a position that the store reflects: nothing more can appear before it."""
    if until - fold.position > limits.portion:
        async for events in reader.replay(after=fold.position, until=until):
            yield events
    while fold.position < until:
        events = await reader.read(after=fold.position, limit=limits.portion)
        if not (within := [each for each in events if each.position <= until]):
            return
        yield within


def _entries_of(documents: Iterable[Sequence[Expected]]) -> set[Entry]:
    return {entry for expected in documents for entry in _entries(expected)}


def _entries(expected: Sequence[Expected]) -> list[Entry]:
    """All that lead to a document, whichever of its states it is in."""
    return [entry for each in expected for entry in (*each.entries, *each.tolerated)]
