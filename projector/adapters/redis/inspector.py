"""A projection's generations in Redis as they are, while others write to them."""

from collections.abc import AsyncIterator, Collection, Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import ResponseError

from projector.adapters.redis.failures import ported
from projector.declaring.documents import Key
from projector.declaring.index_entries import Entry
from projector.folding.grouping import grouped
from projector.store import codec
from projector.store.codec import checkpoint_of, parking_at
from projector.store.collections import (
    Item,
    StoredCollection,
    Variant,
    collection_at,
    index_of,
    is_document,
    item_of,
    key_of,
)
from projector.store.generations import Size
from projector.store.inspection import GenerationQuery, GenerationSnapshot
from shared.read_model.keys import GenerationKeys, Keyspace
from shared.read_model.positions import Pointer
from shared.redis.pipelined import Command, PipelinedConnection, pipelined

PORTION = 500
"""Items of a walk: what holds Redis up for less than a millisecond."""

MEMORY_SAMPLES = 20
"""Fields of each hash by which Redis estimates how much memory it takes."""

_END = b"0"
"""The cursor with which a scan begins and ends."""


class RedisGenerationInspector:
    """Reads what `client` reaches of one projection."""

    def __init__(self, client: Redis, *, projection: str, keyspace: Keyspace) -> None:
        self._client = client
        self._keys = keyspace.projection(projection)

    async def live(self) -> Pointer | None:
        with ported(self._keys):
            stored: Any = await self._client.get(self._keys.live)
        return codec.live(stored, keys=self._keys).pointer

    async def inspect(self, pointers: Sequence[Pointer], query: GenerationQuery) -> Sequence[GenerationSnapshot]:
        reads = [_Read(query, self._keys.generation(pointer.generation)) for pointer in pointers]
        commands = chain.from_iterable(each.commands() for each in reads)
        with ported(self._keys):
            async with pipelined(self._client) as redis:
                stored, *replies = await redis.transact(("GET", self._keys.live), *commands)
            live, rest = codec.live(stored, keys=self._keys).pointer, iter(replies)
            return [self._snapshot(pointer, live, read, rest) for pointer, read in zip(pointers, reads, strict=True)]

    async def sample(self, pointer: Pointer, kind: str, *, limit: int) -> Sequence[str]:
        key = self._keys.generation(pointer.generation).documents(kind, "full")
        with ported(self._keys):
            found: Any = await self._client.hrandfield(key, limit)
        return [id_.decode("utf-8", "backslashreplace") for id_ in found]

    async def collections(self, pointer: Pointer) -> Collection[StoredCollection]:
        keys = self._keys.generation(pointer.generation)
        with ported(self._keys):
            async with pipelined(self._client) as redis:
                found = [key async for key in self._scanned(redis, f"{keys.prefix}*")]
        return {collection for key in found if (collection := collection_at(key.decode(), keys))}

    async def walk(self, pointer: Pointer, collection: StoredCollection) -> AsyncIterator[Mapping[Item, bytes]]:
        key = key_of(collection, self._keys.generation(pointer.generation))
        async for items in self._entries(key) if _is_list(collection) else self._fields(key):
            yield items

    async def size(self, pointer: Pointer, collections: Collection[StoredCollection]) -> Size:
        keys = self._keys.generation(pointer.generation)
        names = {collection: key_of(collection, keys) for collection in collections}
        with ported(self._keys):
            documents = await self._each(
                ("HLEN", name) for collection, name in names.items() if is_document(collection)
            )
            used = await self._each(("MEMORY", "USAGE", name, "SAMPLES", MEMORY_SAMPLES) for name in names.values())
        known = [each or 0 for each in used if not isinstance(each, ResponseError)]
        return Size(sum(map(int, documents)), sum(known) if len(known) == len(used) else None)

    def _snapshot(
        self, pointer: Pointer, live: Pointer | None, read: "_Read", replies: Iterator[Any]
    ) -> GenerationSnapshot:
        stored, damaged, names, parked, *rest = _sound(islice(replies, read.size))
        checkpoint = checkpoint_of(pointer, stored, live=live, keys=self._keys)
        states = {name.decode(): value for name, value in zip(names, parked, strict=True)}
        return GenerationSnapshot(
            live=live,
            checkpoint=checkpoint,
            parking=parking_at(checkpoint, states, projection=self._keys.projection),
            damaged=damaged.decode() if damaged else None,
            documents=dict(read.documents(found := iter(rest))),
            owners=dict(read.owners(found)),
            sizes=dict(read.sizes(found)),
        )

    async def _entries(self, key: str) -> AsyncIterator[Mapping[Item, bytes]]:
        first: bytes = b"-"
        while entries := await self._ranged(key, first):
            yield dict.fromkeys(entries, b"")
            first = b"(" + entries[-1]

    async def _ranged(self, key: str, first: bytes) -> list[bytes]:
        with ported(self._keys):
            found: Any = await self._client.execute_command(  # type: ignore[no-untyped-call]
                "ZRANGE", key, first, "+", "BYLEX", "LIMIT", 0, PORTION
            )
        return list(found)

    async def _scanned(self, redis: PipelinedConnection, pattern: str) -> AsyncIterator[bytes]:
        """Give the keys; a node of a cluster that has lost them would find none, and refuses to look at one of them."""
        cursor = b""
        while cursor != _END:
            scan = ("SCAN", cursor or _END, "MATCH", pattern, "COUNT", PORTION)
            (cursor, found), _ = await redis.execute(scan, ("EXISTS", self._keys.live))
            for key in found:
                yield key

    async def _fields(self, key: str) -> AsyncIterator[Mapping[Item, bytes]]:
        """Walk on one connection: to another server a cursor means something else."""
        cursor = b""
        with ported(self._keys):
            async with pipelined(self._client) as redis:
                while cursor != _END:
                    [(cursor, found)] = await redis.execute(("HSCAN", key, cursor or _END, "COUNT", PORTION))
                    fields = zip(found[::2], found[1::2], strict=True)
                    yield {field.decode("utf-8", "surrogateescape"): value for field, value in fields}

    async def _each(self, commands: Iterable[Command]) -> Sequence[Any]:
        """Return the replies; a command that failed has its error there."""
        pipeline = self._client.pipeline(transaction=False)
        for command in commands:
            pipeline.execute_command(*command)
        return await pipeline.execute(raise_on_error=False)


class _Read:
    """A query of one generation as commands, and their replies as what it wants, in the same order."""

    def __init__(self, query: GenerationQuery, keys: GenerationKeys) -> None:
        self._keys = keys
        self._variants = query.variants
        self._ids = grouped(query.documents)
        self._entries = grouped((index_of(entry), entry) for entry in query.entries)
        self._sizes = list(query.sizes)

    @property
    def size(self) -> int:
        """How many replies there are."""
        return 4 + len(self._ids) * len(self._variants) + len(self._entries) + len(self._sizes)

    def commands(self) -> Iterator[Command]:
        parked = self._keys.parked
        yield from (("GET", self._keys.checkpoint), ("GET", self._keys.damaged), ("HKEYS", parked), ("HVALS", parked))
        for kind, ids in self._ids.items():
            yield from (("HMGET", self._keys.documents(kind, variant), *ids) for variant in self._variants)
        for index, entries in self._entries.items():
            yield ("ZMSCORE" if index.is_list else "HMGET", key_of(index, self._keys), *map(item_of, entries))
        for collection in self._sizes:
            yield ("ZCARD" if _is_list(collection) else "HLEN", key_of(collection, self._keys))

    def documents(self, replies: Iterator[Any]) -> Iterator[tuple[tuple[Key, str], bytes | None]]:
        for kind, ids in self._ids.items():
            for variant in self._variants:
                yield from zip([(Key(kind, id_), variant) for id_ in ids], next(replies), strict=True)

    def owners(self, replies: Iterator[Any]) -> Iterator[tuple[Entry, str | None]]:
        for index, entries in self._entries.items():
            owner = _listed if index.is_list else _owner
            yield from zip(entries, map(owner, next(replies)), strict=True)

    def sizes(self, replies: Iterator[Any]) -> Iterator[tuple[StoredCollection, int]]:
        return zip(self._sizes, replies, strict=True)


def _is_list(collection: StoredCollection) -> bool:
    return not isinstance(collection, Variant) and collection.is_list


def _listed(score: float | None) -> str | None:
    return None if score is None else ""


def _owner(id: bytes | None) -> str | None:
    return None if id is None else id.decode("utf-8", "backslashreplace")


def _sound(replies: Iterable[Any]) -> Iterator[Any]:
    """:raises ResponseError: a command failed, since its key holds something else than it should."""
    for reply in replies:
        if isinstance(reply, Exception):
            raise reply
        yield reply
