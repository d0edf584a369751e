"""One commit to a generation in Redis: what it reads, and the transaction that writes it."""

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import msgspec

from projector.adapters.redis.documents import documents_at
from projector.adapters.redis.failures import ported
from projector.declaring.documents import Key
from projector.declaring.index_entries import UniqueEntry
from projector.folding.batch import Batch
from projector.folding.grouping import grouped
from projector.store.collections import StoredCollection
from projector.store.errors import GenerationDamaged
from projector.store.hints import damage
from projector.store.writes import (
    Drop,
    Enlist,
    Put,
    Remove,
    Strike,
    Write,
    drops,
    unique_entries_in,
    without_taken,
    writes,
)
from shared.read_model.keys import GenerationKeys
from shared.read_model.ordering import end_of
from shared.read_model.positions import Announcement
from shared.redis.pipelined import Command, PipelinedConnection


@dataclass(eq=False, slots=True)
class RedisCommit:
    """One commit in the making; everything is read on the connection that watches."""

    redis: PipelinedConnection
    keys: GenerationKeys
    collections: Iterable[StoredCollection]
    fetched: Mapping[Key, bytes | None]
    parked: Mapping[str, bytes]
    require_expected: Callable[[], Awaitable[Any]]
    on_damage: Callable[[str, str], Awaitable[None]]
    is_over: bool = False

    async def fetch(self, keys: Collection[Key]) -> Mapping[Key, bytes | None]:
        names, commands = documents_at(self.keys, keys)
        with ported(self.keys.of):
            replies = await self.redis.execute(*commands)
        return dict(zip(names, chain.from_iterable(replies), strict=True))

    async def entries(self, by: str, *, prefix: bytes, after: bytes | None, limit: int) -> Sequence[bytes]:
        first = b"[" + prefix if after is None else b"(" + after
        last = b"(" + end_of(prefix)
        key = self.keys.sorted_entries(by)
        with ported(self.keys.of):
            (entries,) = await self.redis.execute(("ZRANGE", key, first, last, "BYLEX", "LIMIT", 0, limit))
        return list(entries)

    async def owners(self, entries: Collection[UniqueEntry]) -> Mapping[UniqueEntry, str | None]:
        with ported(self.keys.of):
            return await self._owners(entries)

    async def confirm(self) -> None:
        with ported(self.keys.of):
            await self.require_expected()

    async def apply(self, batch: Batch) -> None:
        self.is_over = True  # whatever comes of it, nothing is watched then
        with ported(self.keys.of):
            failures = await self._execute(batch)
            if failures:
                why = damage(self.keys, failures)
                await self.on_damage(self.keys.name, why)
                raise GenerationDamaged(why)

    async def _execute(self, batch: Batch) -> list[str]:
        """Say what failed: Redis applies the rest of a transaction when one of its commands fails."""
        owners = await self._owners(unique_entries_in(batch.removals))
        replies = await self.redis.transact(
            *map(command_of, drops(batch, self.keys, self.collections)),
            *map(command_of, writes(without_taken(batch, owners), self.keys)),
            (self.redis.publish, self.keys.of.announce, announcement(self.keys.name, batch.checkpoint.reached)),
        )
        return [str(reply) for reply in replies if isinstance(reply, Exception)]

    async def _owners(self, entries: Iterable[UniqueEntry]) -> Mapping[UniqueEntry, str | None]:
        if not (values := grouped(dict.fromkeys(entries))):
            return {}
        found = await self.redis.execute(
            *(("HMGET", self.keys.unique_entries(by), *names) for by, names in values.items())
        )
        wanted = [UniqueEntry(by, name) for by, names in values.items() for name in names]
        pairs = zip(wanted, chain.from_iterable(found), strict=True)
        return {entry: owner.decode() if owner else None for entry, owner in pairs}


def command_of(write: Write) -> Command:
    match write:
        case Drop(key):
            return ("UNLINK", key)
        case Put(key, fields):
            parts: Iterable[str | bytes] = chain.from_iterable(fields.items())
            return ("HSET", key, *parts)
        case Remove(key, names):
            return ("HDEL", key, *names)
        case Enlist(key, entries):
            scored = [b"0"] * (2 * len(entries))
            scored[1::2] = entries
            return ("ZADD", key, *scored)
        case Strike(key, entries):
            return ("ZREM", key, *entries)
        case _:
            return ("SET", write.key, write.value)


def announcement(generation: str, position: int) -> bytes:
    return msgspec.json.encode(Announcement(generation, position))
