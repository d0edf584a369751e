"""The projector's ports in memory: for tests and for trying things out."""

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import msgspec

from projector.ports import (
    Batch,
    Candidate,
    Candidates,
    EvictionPossible,
    GenerationDamaged,
    ReadModelUnavailable,
    Superseded,
    Survey,
)
from projector.projection import Key, LookUp
from projector.remedies import damage
from projector.stored import Stored, decoded
from projector.writes import Enlist, Put, Remove, Set, Strike, Write, look_ups, without_taken, writes
from shared.keys import GenerationKeys, ProjectionKeys
from shared.records import Announcement, Checkpoint, Pointer


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

    def check(self) -> None:
        if not self.available:
            raise ReadModelUnavailable("the store in memory was made unavailable")

    def string(self, key: str) -> bytes | None:
        value = self.content.get(key)
        return value if isinstance(value, bytes) else None

    def field(self, key: str, name: str) -> bytes | None:
        value = self.content.get(key, {})
        return value.get(name) if isinstance(value, dict) else None

    def apply(self, transaction: Iterable[Write]) -> list[str]:
        """Apply a transaction whole, says what failed: as in Redis, that keeps nothing else from being applied."""
        torn_after, self.torn_after = self.torn_after, None
        failures = [failure for write in head(transaction, torn_after) if (failure := self._apply_one(write))]
        if torn_after is not None:
            raise ReadModelUnavailable("the store in memory crashed in the middle of a commit")
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

    def __init__(self, store: MemoryStore, *, projection: str) -> None:
        self._store = store
        self._keys = ProjectionKeys(projection)

    async def attest(self) -> None:
        self._store.check()
        if self._store.evicts:
            raise EvictionPossible(f"projection {self._keys.projection}: the store in memory was told to evict")

    async def survey(self) -> Survey:
        self._store.check()
        live, filling = self._decoded(self._keys.live, Pointer), self._decoded(self._keys.filling, Pointer)
        if (fed := live or filling) is None:
            return Survey()
        keys = self._keys.generation(fed.generation)
        damaged = self._store.string(keys.damaged)
        return Survey(live, filling, self._decoded(keys.checkpoint, Checkpoint), damaged.decode() if damaged else None)

    async def begin_fill(self, pointer: Pointer) -> None:
        survey = await self.survey()
        if survey.live or survey.checkpoint:
            raise Superseded
        self._store.content[self._keys.generation(pointer.generation).checkpoint] = msgspec.json.encode(Checkpoint())
        self._store.content[self._keys.filling] = msgspec.json.encode(pointer)

    @asynccontextmanager
    async def commit(self, generation: str, *, expected: Checkpoint) -> AsyncIterator["MemoryCommit"]:
        async def still_as_expected() -> None:
            await self._require(generation, expected)

        await still_as_expected()
        yield MemoryCommit(self._store, self._keys.generation(generation), still_as_expected)

    async def go_live(self, pointer: Pointer, *, expected: Checkpoint) -> None:
        survey = await self._require(pointer.generation, expected)
        if survey.filling != pointer:
            raise Superseded
        self._store.content[self._keys.live] = msgspec.json.encode(pointer)
        del self._store.content[self._keys.filling]
        self._store.announced.append(Announcement(pointer.generation, expected.reached))

    async def _require(self, generation: str, expected: Checkpoint) -> Survey:
        survey = await self.survey()
        if survey.damaged:
            raise GenerationDamaged(survey.damaged)
        if survey.fed is None or survey.fed.generation != generation or survey.checkpoint != expected:
            raise Superseded
        return survey

    def _decoded(self, key: str, type_: type[Stored]) -> Stored | None:
        return decoded(self._store.string(key), type_, keys=self._keys)


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
        entries = self._store.listed(self._keys.listing(by))
        return sorted(each for each in entries if each.startswith(prefix) and each > (after or b""))[:limit]

    async def confirm(self) -> None:
        await self._still_as_expected()

    async def apply(self, batch: Batch) -> None:
        await self.confirm()
        owners = {entry: self._owner(entry) for entry in look_ups(batch.removals)}
        failures = self._store.apply(writes(without_taken(batch, owners), self._keys))
        if failures:
            self._store.content[self._keys.damaged] = (why := damage(self._keys, failures)).encode()
            raise GenerationDamaged(why)
        self._store.announced.append(Announcement(self._keys.name, batch.checkpoint.reached))

    def _owner(self, entry: LookUp) -> str | None:
        owner = self._store.field(self._keys.look_up(entry.by), entry.value)
        return owner.decode() if owner else None


class MemoryLease:
    """A lease among the projectors of one process; `holder` may be set to play a projector that took it over."""

    def __init__(self) -> None:
        self.available = True
        self.holder: Candidate | None = None
        self._seen: dict[str, Candidate] = {}

    async def hold(self, candidate: Candidate) -> bool:
        self._check()
        self._seen[candidate.id] = candidate
        self.holder = self.holder or candidate
        return self.holder == candidate

    async def release(self, candidate: Candidate) -> None:
        self._check()
        self._seen.pop(candidate.id, None)
        if self.holder == candidate:
            self.holder = None

    async def candidates(self) -> Candidates:
        self._check()
        return Candidates(self.holder, list(self._seen.values()))

    def _check(self) -> None:
        if not self.available:
            raise ReadModelUnavailable("the lease in memory was made unavailable")
