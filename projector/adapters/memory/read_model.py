"""A projection's generations in a `MemoryStore`: for tests and for trying things out."""

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import chain

import msgspec

from projector.adapters.memory.store import MemoryStore
from projector.declaring.documents import Key
from projector.declaring.index_entries import UniqueEntry
from projector.declaring.projection import Projection
from projector.folding.batch import Batch
from projector.store import codec
from projector.store.collections import StoredCollection, collections_of
from projector.store.errors import GenerationDamaged, Superseded
from projector.store.generations import LOST, GenerationState, Survey
from projector.store.hints import damage
from projector.store.transitions import Transition, applied
from projector.store.writes import drops, unique_entries_in, without_taken, writes
from shared.errors import EvictionPossible
from shared.read_model.keys import GenerationKeys
from shared.read_model.positions import Announcement, Checkpoint, Pointer


class MemoryReadModel:
    """One projection's generations in a `MemoryStore`."""

    def __init__(self, store: MemoryStore, *, projection: Projection) -> None:
        self._store = store
        self._keys = store.keyspace.projection(projection.name)
        self._collections = tuple(collections_of(projection))

    async def attest(self) -> None:
        self._store.check()
        if self._store.evicts:
            raise EvictionPossible(f"projection {self._keys.projection}: the store in memory may evict")

    async def survey(self) -> Survey:
        self._store.check()
        found = self._state()
        names = [each.generation for each in found.fed]
        return found._replace(generations={name: self._generation(name) for name in names})

    async def transition(self, change: Transition) -> Survey:
        survey = await self.survey()
        if after := applied(change, survey):
            self._apply(survey, after)
        return await self.survey()

    def _apply(self, survey: Survey, after: Survey) -> None:
        content = self._store.content
        for pointer in set(after.fed) - set(survey.fed):
            self._begin(self._keys.generation(pointer.generation), survey)
        if stored := codec.stored_live(survey, after):
            content[self._keys.live] = stored
        if after.live and (checkpoint := codec.closing(survey, after)):
            content[self._keys.generation(after.live.generation).checkpoint] = checkpoint
        content[self._keys.roster] = msgspec.json.encode(after.roster)
        if told := codec.announced(survey, after):
            self._store.announced.append(told)

    def _begin(self, keys: GenerationKeys, survey: Survey) -> None:
        known = self._store.fields(self._keys.generation(survey.live.generation).parked) if survey.live else {}
        checkpoint, parked = codec.begun(codec.inherited(survey.at(survey.live).checkpoint, known, keys=self._keys))
        self._store.content[keys.contents] = codec.contents(keys, self._collections)
        if parked:
            self._store.content[keys.parked] = dict(parked)
        self._store.content[keys.checkpoint] = msgspec.json.encode(checkpoint)

    async def unlink(self, pointer: Pointer) -> None:
        self._store.check()
        keys = self._keys.generation(pointer.generation)
        for key in codec.all_keys(keys, self._store.string(keys.contents), known=self._collections):
            self._store.content.pop(key, None)

    @asynccontextmanager
    async def commit(
        self, generation: str, *, expected: Checkpoint, documents: Collection[Key] = ()
    ) -> AsyncIterator["MemoryCommit"]:
        state = self._state()

        async def still_as_expected() -> None:
            await self._require(generation, expected)
            if self._state() != state:
                raise Superseded

        await still_as_expected()
        keys = self._keys.generation(generation)
        parked = self._store.fields(keys.parked) if expected.parked else {}
        commit = MemoryCommit(self._store, keys, self._collections, still_as_expected, parked)
        commit.fetched = await commit.fetch(documents)
        yield commit

    async def _require(self, generation: str, expected: Checkpoint) -> None:
        survey = await self.survey()
        found = survey.generations.get(generation, LOST)
        if found.damaged:
            raise GenerationDamaged(found.damaged)
        if found.checkpoint != expected or survey.access == "closed":
            raise Superseded

    def _state(self) -> Survey:
        return codec.survey(*map(self._store.string, (self._keys.live, self._keys.roster)), keys=self._keys)

    def _generation(self, name: str) -> GenerationState:
        keys = self._keys.generation(name)
        return codec.generation(self._store.string(keys.checkpoint), self._store.string(keys.damaged), keys=self._keys)


@dataclass(slots=True)
class MemoryCommit:
    """One commit in the making."""

    store: MemoryStore
    keys: GenerationKeys
    collections: Iterable[StoredCollection]
    confirm: Callable[[], Awaitable[None]]
    parked: Mapping[str, bytes]
    fetched: Mapping[Key, bytes | None] = field(default_factory=dict)

    async def fetch(self, keys: Collection[Key]) -> Mapping[Key, bytes | None]:
        self.store.check()
        return {key: self.store.field(self.keys.documents(key.kind, "full"), key.id) for key in keys}

    async def entries(self, by: str, *, prefix: bytes, after: bytes | None, limit: int) -> Sequence[bytes]:
        self.store.check()
        entries = self.store.listed(self.keys.sorted_entries(by))
        return sorted(each for each in entries if each.startswith(prefix) and each > (after or b""))[:limit]

    async def owners(self, entries: Collection[UniqueEntry]) -> Mapping[UniqueEntry, str | None]:
        self.store.check()
        return {entry: self._owner(entry) for entry in entries}

    async def apply(self, batch: Batch) -> None:
        await self.confirm()
        owners = await self.owners(unique_entries_in(batch.removals))
        written = chain(drops(batch, self.keys, self.collections), writes(without_taken(batch, owners), self.keys))
        failures = self.store.apply(written)
        if failures:
            self.store.content[self.keys.damaged] = (why := damage(self.keys, failures)).encode()
            raise GenerationDamaged(why)
        self.store.announced.append(Announcement(self.keys.name, batch.checkpoint.reached))

    def _owner(self, entry: UniqueEntry) -> str | None:
        owner = self.store.field(self.keys.unique_entries(entry.by), entry.value)
        return owner.decode() if owner else None
