"""The commits by which a generation is filled: those who write take turns, each behind the checkpoint of the last."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from typing import TypeAlias

import msgspec

from projector.declaring.documents import Key
from projector.declaring.index_entries import UniqueEntry
from projector.folding.batch import Batch
from projector.folding.fold import ProjectionFold
from projector.folding.parking import Parking
from projector.store.codec import parking_at
from projector.store.ports import Commit, ProjectionStore
from shared.read_model.envelope import unseal
from shared.read_model.positions import Checkpoint, Filling

Make: TypeAlias = Callable[[Checkpoint, Commit], Awaitable[Batch]]


class FillWriter:
    """Writes one generation; a commit finds out whether another process has written to it meanwhile."""

    def __init__(self, store: ProjectionStore, generation: str, checkpoint: Checkpoint) -> None:
        self.generation = generation
        self.checkpoint = checkpoint
        self._model = store.model
        self._fold = ProjectionFold(store.projection)
        self._lock = asyncio.Lock()

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[Checkpoint]:
        """See `Turn`."""
        async with self._lock:
            yield self.checkpoint
            self.checkpoint = self.checkpoint.revised()

    async def take_over(self) -> None:
        """Have nobody else's commit succeed any more."""
        await self._apply(lambda after, _: _ready(Batch(checkpoint=after.revised())))

    async def begin(self, filling: Filling, *, trimmed: int) -> None:
        """
        Take the generation from all who may be filling it too, then remove what they have written.

        :param trimmed: the position up to which nothing is kept.
        """
        await self.take_over()

        async def anew(after: Checkpoint, commit: Commit) -> Batch:
            skips = Parking(skipped=self._parking(after, commit).skipped)
            checkpoint = after.revised(filled=0, filling=filling, trimmed=trimmed, emptied=trimmed)
            return _with_parking(skips, checkpoint, anew=True)

        await self._apply(anew)

    async def note(self, position: int) -> None:
        """Note how far the log is folded."""
        await self._apply(lambda after, _: _ready(Batch(checkpoint=after.revised(filled=position))))

    async def end_range(self, nth: int, parking: Parking) -> Parking:
        """Note that a range is written, and what is parked of it; return what is parked of all that are."""
        joined = parking

        async def written(after: Checkpoint, commit: Commit) -> Batch:
            nonlocal joined
            if after.filling is None:
                raise TypeError("nothing is being filled")
            filling = msgspec.structs.replace(after.filling, done=(*after.filling.done, nth))
            joined = self._parking(after, commit).joined(parking)
            return _with_parking(joined, after.revised(filling=filling))

        await self._apply(written)
        return joined

    async def end(self, *, count: int) -> None:
        """
        Have the generation reflect what it was filled from.

        :param count: how many events that is.
        """

        async def reflecting(after: Checkpoint, commit: Commit) -> Batch:
            if (filling := after.filling) is None:
                raise TypeError("nothing is being filled")
            checkpoint = after.revised(
                position=filling.until, event_id=filling.event_id, count=count, filled=0, filling=None
            )
            claims = await self._claims(self._parking(after, commit).concerned(), commit)
            return Batch(additions=[*claims.items()], checkpoint=checkpoint)

        await self._apply(reflecting)

    async def _claims(self, lacking: Collection[Key], commit: Commit) -> Mapping[UniqueEntry, str]:
        """Return the unique entries of documents that lack an event: those that no other document has taken."""
        if not lacking:
            return {}
        there = {key: unseal(envelope) for key, envelope in (await commit.fetch(lacking)).items() if envelope}
        claims: dict[UniqueEntry, str] = {}
        for key, sealed in sorted(there.items(), key=lambda each: each[1].position):
            record = self._fold.codecs[key.kind].record(sealed)
            claims |= dict.fromkeys(self._fold.indexer.first_entries(key, record).unique, key.id)
        owners = await commit.owners(claims) if claims else {}
        ids = {None, *(key.id for key in there)}
        return {entry: id_ for entry, id_ in claims.items() if owners[entry] in ids}

    async def _apply(self, make: Make) -> None:
        async with self._lock, self._model.commit(self.generation, expected=self.checkpoint) as commit:
            batch = await make(self.checkpoint, commit)
            await commit.apply(batch)
            self.checkpoint = batch.checkpoint

    def _parking(self, checkpoint: Checkpoint, commit: Commit) -> Parking:
        return parking_at(checkpoint, commit.parked, projection=self._fold.projection.name)


async def _ready(batch: Batch) -> Batch:
    return batch


def _with_parking(parking: Parking, checkpoint: Checkpoint, *, anew: bool = False) -> Batch:
    if parking == Parking():
        return Batch(anew=anew, checkpoint=msgspec.structs.replace(checkpoint, parked=0))
    checkpoint = msgspec.structs.replace(checkpoint, parked=checkpoint.revision)
    return Batch(anew=anew, parked={str(checkpoint.parked): msgspec.json.encode(parking)}, checkpoint=checkpoint)
