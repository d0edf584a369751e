"""The projector's ports in memory: for tests and for trying things out."""

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import msgspec

from projector.folding.batch import Batch
from projector.folding.projection import Key, Projection, UniqueEntry
from projector.rebuilding.comparison import Half
from projector.store.codec import Stored, all_keys, begun, contents, decoded, generation, inherited
from projector.store.collections import StoredCollection, collections_of, is_document, key_of
from projector.store.errors import GenerationDamaged, Superseded
from projector.store.generations import LOST, Generation, NextState, Roster, Size, Survey, fed
from projector.store.hints import damage
from projector.store.ports import Candidate, Candidates, LeaseName
from projector.store.transitions import Transition, completed
from projector.store.writes import Enlist, Put, Remove, Set, Strike, Write, unique_entries_in, without_taken, writes
from shared.errors import EvictionPossible, Unavailable
from shared.read_model.keys import HOME, GenerationKeys, Keyspace
from shared.read_model.positions import Announcement, Checkpoint, Pointer


@dataclass
class MemoryStore:
    """
    What a server would hold, under the same keys: strings, hashes and lists (as sets; nobody needs them sorted here).

    It can be made to fail: by `available`, by `evicts`, and by `torn_after`, which crashes it in the middle of the
    next commit, once so many of its writes (counted field by field) are applied.
    """

    content: dict[str, bytes | dict[str, bytes] | set[bytes]] = field(default_factory=dict)
    announced: list[Announcement] = field(default_factory=list)
    available: bool = True
    evicts: bool = False
    torn_after: int | None = None
    keyspace: Keyspace = HOME

    def check(self) -> None:
        if not self.available:
            raise Unavailable("the store in memory was made unavailable")

    def string(self, key: str) -> bytes | None:
        value = self.content.get(key)
        return value if isinstance(value, bytes) else None

    def field(self, key: str, name: str) -> bytes | None:
        value = self.content.get(key, {})
        return value.get(name) if isinstance(value, dict) else None

    def fields(self, key: str) -> dict[str, bytes]:
        value = self.content.get(key)
        return dict(value) if isinstance(value, dict) else {}

    def apply(self, transaction: Iterable[Write]) -> list[str]:
        """Apply a transaction whole, says what failed: as in Redis, that keeps nothing else from being applied."""
        torn_after, self.torn_after = self.torn_after, None
        failures = [failure for write in head(transaction, torn_after) if (failure := self._apply_one(write))]
        if torn_after is not None:
            raise Unavailable("the store in memory crashed in the middle of a commit")
        return failures

    def listed(self, key: str) -> set[bytes]:
        value = self.content.get(key)
        return value if isinstance(value, set) else set()

    def _apply_one(self, write: Write) -> str | None:
        if isinstance(write, Set):
            self.content[write.key] = write.value
            return None
        kind = set if isinstance(write, Enlist | Strike) else dict
        value = self.content.setdefault(write.key, kind())
        if not isinstance(value, kind):
            return f"{write.key} is no {kind.__name__}"
        _change(value, write)
        return None


def _change(value: Any, write: Put | Remove | Enlist | Strike) -> None:
    match write:
        case Put(_, fields):
            value.update(fields)
        case Remove(_, names):
            for name in names:
                value.pop(name, None)
        case Enlist(_, entries):
            value.update(entries)
        case Strike(_, entries):
            value.difference_update(entries)


def head(transaction: Iterable[Write], length: int | None) -> Iterator[Write]:
    """The first writes of a transaction, counted field by field; all of them if no length is given."""
    return islice((part for write in transaction for part in _singly(write)), length)


def _singly(write: Write) -> Iterator[Write]:
    match write:
        case Put(key, fields):
            yield from (Put(key, {name: value}) for name, value in fields.items())
        case Remove(key, names):
            yield from (Remove(key, [name]) for name in names)
        case Enlist(key, entries) | Strike(key, entries):
            yield from (type(write)(key, [entry]) for entry in entries)
        case _:
            yield write


class MemoryReadModel:
    """One projection's generations in a `MemoryStore`."""

    def __init__(self, store: MemoryStore, *, projection: Projection) -> None:
        self._store = store
        self._keys = store.keyspace.projection(projection.name)
        self._collections = tuple(collections_of(projection))

    async def attest(self) -> None:
        self._store.check()
        if self._store.evicts:
            raise EvictionPossible(f"projection {self._keys.projection}: the store in memory was told to evict")

    async def survey(self) -> Survey:
        self._store.check()
        state = self._state()
        generations = {each.generation: self._generation(each.generation) for each in fed(*state)}
        return Survey(*state, generations)

    async def transition(self, change: Transition) -> Survey:
        survey = await self.survey()
        live, roster = state = change(survey)
        for pointer in set(fed(*state)) - set(survey.fed):
            self._begin(self._keys.generation(pointer.generation), survey)
        if live is not None:
            self._store.content[self._keys.live] = msgspec.json.encode(live)
        self._store.content[self._keys.roster] = msgspec.json.encode(roster)
        if live is not None and live != survey.live:
            self._store.announced.append(Announcement(live.generation, survey.at(live).reached))
        return await self.survey()

    def _begin(self, keys: GenerationKeys, survey: Survey) -> None:
        known = self._store.fields(self._keys.generation(survey.live.generation).parked) if survey.live else {}
        checkpoint, parked = begun(inherited(survey.at(survey.live).checkpoint, known, keys=self._keys))
        self._store.content[keys.contents] = contents(keys, self._collections)
        if parked:
            self._store.content[keys.parked] = dict(parked)
        self._store.content[keys.checkpoint] = msgspec.json.encode(checkpoint)

    async def unlink(self, pointer: Pointer) -> None:
        self._store.check()
        keys = self._keys.generation(pointer.generation)
        for key in all_keys(keys, self._store.string(keys.contents), known=self._collections):
            self._store.content.pop(key, None)

    @asynccontextmanager
    async def commit(self, generation: str, *, expected: Checkpoint) -> AsyncIterator["MemoryCommit"]:
        state = self._state()

        async def still_as_expected() -> None:
            await self._require(generation, expected)
            if self._state() != state:
                raise Superseded

        await still_as_expected()
        yield MemoryCommit(self._store, self._keys.generation(generation), still_as_expected)

    async def _require(self, generation: str, expected: Checkpoint) -> None:
        survey = await self.survey()
        found = survey.generations.get(generation, LOST)
        if found.damaged:
            raise GenerationDamaged(found.damaged)
        if found.checkpoint != expected:
            raise Superseded

    def _state(self) -> NextState:
        live, roster = self._decoded(self._keys.live, Pointer), self._decoded(self._keys.roster, Roster)
        return NextState(live, completed(live, roster or Roster()))

    def _generation(self, name: str) -> Generation:
        keys = self._keys.generation(name)
        return generation(self._store.string(keys.checkpoint), self._store.string(keys.damaged), keys=self._keys)

    def _decoded(self, key: str, type_: type[Stored]) -> Stored | None:
        return decoded(self._store.string(key), type_, keys=self._keys)


class MemoryGenerationReader:
    """Generations of one projection in a `MemoryStore`, as they are."""

    def __init__(self, store: MemoryStore, *, projection: str) -> None:
        self._store = store
        self._keys = store.keyspace.projection(projection)

    async def documents(self, pointer: Pointer, kind: str) -> AsyncIterator[Mapping[str, bytes]]:
        self._store.check()
        documents = self._store.content.get(self._keys.generation(pointer.generation).documents(kind, "full"))
        yield dict(documents) if isinstance(documents, dict) else {}

    async def side_by_side(self, pointers: Sequence[Pointer], keys: Collection[Key]) -> Sequence[Half]:
        self._store.check()
        return [self._half(self._keys.generation(pointer.generation), keys) for pointer in pointers]

    async def size(self, pointer: Pointer, collections: Collection[StoredCollection]) -> Size:
        self._store.check()
        keys = self._keys.generation(pointer.generation)
        documents = [self._store.fields(key_of(each, keys)) for each in collections if is_document(each)]
        return Size(sum(map(len, documents)), None)

    def _half(self, keys: GenerationKeys, wanted: Collection[Key]) -> Half:
        checkpoint = decoded(self._store.string(keys.checkpoint), Checkpoint, keys=self._keys)
        if checkpoint is None:
            raise Superseded(f"generation {keys.name} is gone")
        return Half(checkpoint, {key: self._store.field(keys.documents(key.kind, "full"), key.id) for key in wanted})


class MemoryCommit:
    """One commit in the making."""

    def __init__(
        self,
        store: MemoryStore,
        keys: GenerationKeys,
        still_as_expected: Callable[[], Awaitable[None]],
    ) -> None:
        self._store = store
        self._keys = keys
        self._still_as_expected = still_as_expected

    async def fetch(self, keys: Collection[Key]) -> Mapping[Key, bytes | None]:
        self._store.check()
        return {key: self._store.field(self._keys.documents(key.kind, "full"), key.id) for key in keys}

    async def entries(self, by: str, *, prefix: bytes, after: bytes | None, limit: int) -> Sequence[bytes]:
        self._store.check()
        entries = self._store.listed(self._keys.sorted_entries(by))
        return sorted(each for each in entries if each.startswith(prefix) and each > (after or b""))[:limit]

    async def owners(self, entries: Collection[UniqueEntry]) -> Mapping[UniqueEntry, str | None]:
        self._store.check()
        return {entry: self._owner(entry) for entry in entries}

    async def parked(self) -> Mapping[str, bytes]:
        self._store.check()
        return self._store.fields(self._keys.parked)

    async def confirm(self) -> None:
        await self._still_as_expected()

    async def apply(self, batch: Batch) -> None:
        await self.confirm()
        owners = await self.owners(unique_entries_in(batch.removals))
        failures = self._store.apply(writes(without_taken(batch, owners), self._keys))
        if failures:
            self._store.content[self._keys.damaged] = (why := damage(self._keys, failures)).encode()
            raise GenerationDamaged(why)
        self._store.announced.append(Announcement(self._keys.name, batch.checkpoint.reached))

    def _owner(self, entry: UniqueEntry) -> str | None:
        owner = self._store.field(self._keys.unique_entries(entry.by), entry.value)
        return owner.decode() if owner else None


class MemoryLease:
    """Leases among the projectors of one process; `holders` may be changed to play one that took them over."""

    def __init__(self) -> None:
        self.available = True
        self.holders: dict[LeaseName, Candidate] = {}
        self._seen: dict[str, Candidate] = {}

    async def hold(self, candidate: Candidate, names: Sequence[LeaseName]) -> frozenset[LeaseName]:
        self._check()
        self._seen[candidate.id] = candidate
        return frozenset(name for name in names if self.holders.setdefault(name, candidate) == candidate)

    async def release(self, candidate: Candidate, names: Sequence[LeaseName]) -> None:
        self._check()
        self._seen.pop(candidate.id, None)
        for name in [each for each in names if self.holders.get(each) == candidate]:
            del self.holders[name]

    async def candidates(self, names: Sequence[LeaseName]) -> Candidates:
        self._check()
        holders = {name: self.holders[name] for name in names if name in self.holders}
        return Candidates(holders, list(self._seen.values()))

    def _check(self) -> None:
        if not self.available:
            raise Unavailable("the lease in memory was made unavailable")
