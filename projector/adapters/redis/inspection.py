"""Looking at a projection's live generation in Redis while others write to it."""

from collections.abc import AsyncIterator, Collection, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, NamedTuple

from redis.asyncio import Redis

from projector.adapters.redis.failures import ported
from projector.audit.ports import Asked, NothingToVerify, Seen
from projector.folding.parking import Parking
from projector.folding.projection import Entry, Key
from projector.store.codec import decoded, parking_at
from projector.store.collections import (
    Item,
    StoredCollection,
    Variant,
    collection_at,
    index_of,
    item_of,
    key_of,
    prefix_of,
)
from projector.store.errors import GenerationDamaged, Superseded
from shared.read_model.keys import VARIANTS, GenerationKeys, Keyspace
from shared.read_model.positions import Checkpoint, Pointer
from shared.redis.pipelined import Command, pipelined

PORTION = 500
"""Items of a walk: what holds Redis up for less than a millisecond."""


class Standing(NamedTuple):
    """How far the generation has come, and without which events."""

    checkpoint: Checkpoint
    parking: Parking


class RedisInspection:
    """Reads what `client` reaches of one projection."""

    def __init__(self, client: Redis, *, projection: str, keyspace: Keyspace) -> None:
        self._client = client
        self._keys = keyspace.projection(projection)

    async def look(self, asked: Asked) -> Seen:
        pointer = await self._live()
        question = _Question(asked, self._keys.generation(pointer.generation))
        with ported(self._keys):
            async with pipelined(self._client) as redis:
                live, stored, damaged, names, parked, *replies = await redis.transact(
                    ("GET", self._keys.live), *question.standing(), *question.commands()
                )
        if decoded(live, Pointer, keys=self._keys) != pointer:
            raise Superseded("another generation went live")
        if damaged:
            raise GenerationDamaged(damaged.decode())
        with ported(self._keys):
            standing = self._standing(stored, *_sound((names, parked)))
            return question.answered(pointer, standing, _sound(replies))

    async def some(self, kind: str, *, limit: int) -> Sequence[str]:
        key = (await self._generation()).documents(kind, "full")
        with ported(self._keys):
            found: Any = await self._client.hrandfield(key, limit)
        return [id_.decode("utf-8", "backslashreplace") for id_ in found]

    async def collections(self) -> Collection[StoredCollection]:
        keys = await self._generation()
        with ported(self._keys):
            found: list[Any] = [key async for key in self._client.scan_iter(f"{prefix_of(keys)}*", count=PORTION)]
        return {collection for key in found if (collection := collection_at(key.decode(), keys))}

    async def walk(self, collection: StoredCollection) -> AsyncIterator[Sequence[Item]]:
        key = key_of(collection, await self._generation())
        walked = self._entries(key) if not isinstance(collection, Variant) and collection.is_list else self._fields(key)
        async for items in walked:
            yield items

    async def _entries(self, key: str) -> AsyncIterator[Sequence[Item]]:
        first: bytes = b"-"
        while items := await self._ranged(key, first):
            yield items
            first = b"(" + items[-1]

    async def _ranged(self, key: str, first: bytes) -> list[bytes]:
        with ported(self._keys):
            found: Any = await self._client.execute_command(  # type: ignore[no-untyped-call]
                "ZRANGE", key, first, "+", "BYLEX", "LIMIT", 0, PORTION
            )
        return list(found)

    async def _fields(self, key: str) -> AsyncIterator[Sequence[Item]]:
        cursor = -1
        while cursor:
            with ported(self._keys):
                scanned: Any = await self._client.hscan(key, max(cursor, 0), count=PORTION)
            cursor, fields = scanned
            yield [field.decode("utf-8", "surrogateescape") for field in fields]

    async def _live(self) -> Pointer:
        with ported(self._keys):
            stored: Any = await self._client.get(self._keys.live)
        pointer = decoded(stored, Pointer, keys=self._keys)
        if pointer is None:
            raise NothingToVerify(f"projection {self._keys.projection}: no generation is live yet")
        return pointer

    async def _generation(self) -> GenerationKeys:
        return self._keys.generation((await self._live()).generation)

    def _standing(self, stored: bytes | None, names: Sequence[bytes], parked: Sequence[bytes]) -> Standing:
        checkpoint = self._checkpoint(stored)
        states = {name.decode(): value for name, value in zip(names, parked, strict=True)}
        return Standing(checkpoint, parking_at(checkpoint, states, projection=self._keys.projection))

    def _checkpoint(self, stored: bytes | None) -> Checkpoint:
        if (checkpoint := decoded(stored, Checkpoint, keys=self._keys)) is None:
            raise GenerationDamaged(f"projection {self._keys.projection}: its live generation has lost its checkpoint")
        return checkpoint


class _Question:
    """What is asked for as commands, and their replies as what was seen."""

    def __init__(self, asked: Asked, keys: GenerationKeys) -> None:
        self._keys = keys
        self._ids: dict[str, list[str]] = {}
        for key in asked.documents:
            self._ids.setdefault(key.kind, []).append(key.id)
        self._entries: dict[StoredCollection, list[Entry]] = {}
        for entry in asked.entries:
            self._entries.setdefault(index_of(entry), []).append(entry)
        self._sizes = list(asked.sizes)

    def standing(self) -> list[Command]:
        parked = self._keys.parked
        return [("GET", self._keys.checkpoint), ("GET", self._keys.damaged), ("HKEYS", parked), ("HVALS", parked)]

    def commands(self) -> Iterator[Command]:
        for kind, ids in self._ids.items():
            yield from (("HMGET", self._keys.documents(kind, variant), *ids) for variant in VARIANTS)
        for index, entries in self._entries.items():
            yield (_READ[_is_list(index)], key_of(index, self._keys), *map(item_of, entries))
        for collection in self._sizes:
            yield (_SIZE[_is_list(collection)], key_of(collection, self._keys))

    def answered(self, live: Pointer, standing: Standing, replies: Iterable[Any]) -> Seen:
        rest = iter(replies)
        return Seen(
            live=live,
            checkpoint=standing.checkpoint,
            parking=standing.parking,
            documents=dict(chain.from_iterable(self._documents(kind, rest) for kind in self._ids)),
            owners={entry: owner for index in self._entries for entry, owner in self._owners(index, next(rest))},
            sizes=dict(zip(self._sizes, rest, strict=True)),
        )

    def _documents(self, kind: str, replies: Iterator[Any]) -> Iterator[tuple[tuple[Key, str], bytes | None]]:
        keys = [Key(kind, id_) for id_ in self._ids[kind]]
        for variant in VARIANTS:
            yield from zip([(key, variant) for key in keys], next(replies), strict=True)

    def _owners(self, index: StoredCollection, values: Sequence[Any]) -> Iterator[tuple[Entry, str | None]]:
        owner = _standing if _is_list(index) else _led_to
        return zip(self._entries[index], map(owner, values), strict=True)


_READ: Mapping[bool, str] = {True: "ZMSCORE", False: "HMGET"}
_SIZE: Mapping[bool, str] = {True: "ZCARD", False: "HLEN"}


def _is_list(collection: StoredCollection) -> bool:
    return not isinstance(collection, Variant) and collection.is_list


def _standing(score: float | None) -> str | None:
    return None if score is None else ""


def _led_to(owner: bytes | None) -> str | None:
    return None if owner is None else owner.decode("utf-8", "backslashreplace")


def _sound(replies: Sequence[Any]) -> Sequence[Any]:
    """:raises ResponseError: a command failed, since its key holds something else than it should."""
    for reply in replies:
        if isinstance(reply, Exception):
            raise reply
    return replies
