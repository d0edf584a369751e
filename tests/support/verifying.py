"""A projection's generation that can be verified and damaged, in memory and in Redis."""

import asyncio
import io
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import msgspec
from redis.asyncio import Redis

from projector.adapters.memory.inspector import MemoryGenerationInspector
from projector.adapters.memory.store import MemoryStore
from projector.adapters.redis.store import store_in_redis
from projector.audit.ports import Directory
from projector.audit.verify.following import VerifyLimits
from projector.audit.verify.verification import Verification, Verified
from projector.declaring.projection import Projection
from projector.projections.profiles import profiles
from projector.store.collections import Item, StoredCollection
from projector.store.inspection import GenerationQuery, GenerationSnapshot
from projector.store.ports import ProjectionStore
from shared.event_log import EventLog, MemoryEventLog, RecordedEvent
from shared.events import Redacted
from shared.read_model.envelope import seal, unseal
from shared.read_model.keys import HOME, GenerationKeys
from shared.read_model.positions import Checkpoint, Pointer
from shared.runtime.progress import Progress
from tests.support.folding import Generation, at_once, begin, fold_all, go_live
from tests.support.projectors import store_in_memory

PATIENT = VerifyLimits(portion=3)
IMPATIENT = VerifyLimits(portion=3, retry=0.0, erasure=0.02, fan_out=0.0, pause=0.0)
"""Where nothing goes on with a fan-out."""
STILL = replace(IMPATIENT, erasure=0.0)
"""Where nothing goes on at all."""

PROFILES = HOME.projection("profiles").generation("g1")
GROUPS = HOME.projection("groups").generation("g1")


def is_erasing(log: Sequence[RecordedEvent], checkpoint: Checkpoint) -> bool:
    """Whether events up to a checkpoint were redacted by an erasure that stands behind it."""
    return any(
        isinstance(each.event, Redacted) and each.position <= checkpoint.position < each.event.by for each in log
    )


def unwatched() -> Progress:
    """Return progress that is shown nowhere."""
    return Progress(io.StringIO())


@dataclass
class HandInMemory:
    """What changes a store behind the projector's back."""

    store: MemoryStore = field(default_factory=MemoryStore)

    def subject(self, projection: Projection) -> ProjectionStore:
        return store_in_memory(self.store, projection)

    async def read(self, key: str, field: str) -> bytes:
        return self.store.content[key][field]

    async def put(self, key: str, field: str, value: bytes) -> None:
        self.store.content.setdefault(key, {})[field] = value

    async def take(self, key: str, field: str) -> None:
        del self.store.content[key][field]

    async def entries(self, key: str) -> Sequence[bytes]:
        return sorted(self.store.content[key])

    async def enlist(self, key: str, entry: bytes) -> None:
        self.store.content.setdefault(key, set()).add(entry)

    async def strike(self, key: str, entry: bytes) -> None:
        self.store.content[key].remove(entry)


class Meanwhile(MemoryGenerationInspector):
    """Before each look the projector takes a step."""

    def __init__(self, store: MemoryStore, projection: Projection, step: Callable[[], None]) -> None:
        super().__init__(store, projection=projection.name)
        self._step = step

    async def inspect(self, pointers: Sequence[Pointer], query: GenerationQuery) -> Sequence[GenerationSnapshot]:
        self._step()
        return await super().inspect(pointers, query)

    async def walk(self, pointer: Pointer, collection: StoredCollection) -> AsyncIterator[Mapping[Item, bytes]]:
        self._step()
        async for items in super().walk(pointer, collection):
            yield items


@dataclass
class HandInRedis:
    """The same in Redis."""

    client: Redis

    def subject(self, projection: Projection) -> ProjectionStore:
        return store_in_redis(self.client, projection)

    async def read(self, key: str, field: str) -> bytes:
        return await self.client.hget(key, field)

    async def put(self, key: str, field: str, value: bytes) -> None:
        await self.client.hset(key, field, value)

    async def take(self, key: str, field: str) -> None:
        assert await self.client.hdel(key, field) == 1

    async def entries(self, key: str) -> Sequence[bytes]:
        return await self.client.zrange(key, 0, -1)

    async def enlist(self, key: str, entry: bytes) -> None:
        await self.client.zadd(key, {entry: 0})

    async def strike(self, key: str, entry: bytes) -> None:
        assert await self.client.zrem(key, entry) == 1


Hand: TypeAlias = HandInMemory | HandInRedis


def log_of(events: Sequence[RecordedEvent]) -> MemoryEventLog:
    log = MemoryEventLog()
    log.append(events)
    return log


async def be_live(hand: Hand, projection: Projection) -> None:
    """Have an empty generation that readers use."""
    model = hand.subject(projection).model
    await begin(model, projection)
    await go_live(model, projection)


async def fill(hand: Hand, events: Sequence[RecordedEvent], projection: Projection) -> None:
    """Have a live generation that reflects all events."""
    await be_live(hand, projection)
    await fold_all(hand.subject(projection).model, events, projection=projection)


async def verify(
    hand: Hand,
    log: EventLog,
    projection: Projection,
    *,
    repair: bool = False,
    directory: Directory | None = None,
    limits: VerifyLimits = PATIENT,
) -> Verified:
    verification = Verification(log=log, directory=directory, progress=unwatched(), limits=limits)
    return await verification.verify(hand.subject(projection), repair=repair)


def differences_in(verified: Verified) -> set[tuple[str, str]]:
    """Entity and field of every difference."""
    assert len(verified.details) == verified.differences, "every difference is counted once"
    return {(each.entity, each.field) for each in verified.details}


async def edit(hand: Hand, keys: GenerationKeys, kind: str, variant: str, id: object, **changes: Any) -> None:
    """Change fields of a sealed document, as a program would that knows how it is sealed."""
    key = keys.documents(kind, variant)
    sealed = unseal(await hand.read(key, str(id)))
    record: Mapping[str, Any] = msgspec.json.decode(sealed.body) | changes
    shown = msgspec.json.decode(sealed.body[: sealed.public] + b"}") if sealed.public else {}
    public = len(msgspec.json.encode({name: record[name] for name in shown})) - 1 if shown else 0
    await hand.put(key, str(id), seal(position=sealed.position, body=msgspec.json.encode(record), public=public))


class LiveGeneration(Generation):
    """A generation that readers use, and that can be verified."""

    def __init__(self, events: Sequence[RecordedEvent], projection: Projection = profiles) -> None:
        super().__init__(events, projection)
        self.hand = HandInMemory(self.store)
        at_once(go_live(self.model, projection))

    @property
    def is_erasing(self) -> bool:
        return is_erasing(self.events, self.checkpoint)

    def verify(self, *, repair: bool = False) -> Verified:
        log = log_of(self.events)
        return asyncio.run(verify(self.hand, log, self.projection, limits=STILL, repair=repair))

    def verify_meanwhile(self, step: Callable[[], None], *, kind: type[Meanwhile] = Meanwhile) -> Verified:
        """Verify while the projector takes a step before each look."""
        inspector = kind(self.store, self.projection, step)
        verification = Verification(log=log_of(self.events), directory=None, progress=unwatched(), limits=IMPATIENT)
        return asyncio.run(verification.verify(replace(self.hand.subject(self.projection), inspector=inspector)))
