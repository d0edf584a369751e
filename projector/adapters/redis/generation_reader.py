"""Generations in Redis as they are, for those who compare."""

from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from itertools import chain
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import ResponseError

from projector.adapters.redis.failures import ported
from projector.folding.projection import Key
from projector.rebuilding.comparison import Half
from projector.store.codec import decoded
from projector.store.collections import StoredCollection, is_document, key_of
from projector.store.errors import Superseded
from projector.store.generations import Size
from shared.read_model.keys import GenerationKeys, Keyspace
from shared.read_model.positions import Checkpoint, Pointer
from shared.redis.pipelined import Command, pipelined

PORTION = 500
"""Documents in one reply: few enough for nobody to wait behind it for long."""
SAMPLES = 20
"""Fields of each hash by which Redis estimates how much memory it takes."""


class RedisGenerationReader:
    """Uses `client` for one projection."""

    def __init__(self, client: Redis, *, projection: str, keyspace: Keyspace) -> None:
        self._client = client
        self._keys = keyspace.projection(projection)

    async def documents(self, pointer: Pointer, kind: str) -> AsyncIterator[Mapping[str, bytes]]:
        key, cursor = self._keys.generation(pointer.generation).documents(kind, "full"), -1
        while cursor:
            with ported(self._keys):
                reply: Any = await self._client.hscan(key, max(0, cursor), count=PORTION)
            cursor, portion = reply
            yield {name.decode(): sealed for name, sealed in portion.items()}

    async def side_by_side(self, pointers: Sequence[Pointer], keys: Collection[Key]) -> Sequence[Half]:
        ids: dict[str, list[str]] = {}
        for key in keys:
            ids.setdefault(key.kind, []).append(key.id)
        generations = [self._keys.generation(pointer.generation) for pointer in pointers]
        with ported(self._keys):
            async with pipelined(self._client) as redis:
                replies = await redis.transact(*chain.from_iterable(_reads(each, ids) for each in generations))
        _require_none_failed(replies)
        size = 1 + len(ids)
        return [self._half(each, ids, replies[nth * size :][:size]) for nth, each in enumerate(generations)]

    async def size(self, pointer: Pointer, collections: Collection[StoredCollection]) -> Size:
        keys = self._keys.generation(pointer.generation)
        names = {collection: key_of(collection, keys) for collection in collections}
        with ported(self._keys):
            documents = await self._each(
                ("HLEN", name) for collection, name in names.items() if is_document(collection)
            )
            used = await self._each(("MEMORY", "USAGE", name, "SAMPLES", SAMPLES) for name in names.values())
        known = [each or 0 for each in used if not isinstance(each, ResponseError)]
        return Size(sum(map(int, documents)), sum(known) if len(known) == len(used) else None)

    async def _each(self, commands: Iterable[Command]) -> Sequence[Any]:
        """The replies; one that failed has its error there."""
        pipeline = self._client.pipeline(transaction=False)
        for command in commands:
            pipeline.execute_command(*command)
        return await pipeline.execute(raise_on_error=False)

    def _half(self, keys: GenerationKeys, ids: Mapping[str, Sequence[str]], replies: Sequence[Any]) -> Half:
        stored, *documents = replies
        checkpoint = decoded(stored, Checkpoint, keys=self._keys)
        if checkpoint is None:
            raise Superseded(f"generation {keys.name} is gone")
        wanted = [Key(kind, name) for kind, names in ids.items() for name in names]
        return Half(checkpoint, dict(zip(wanted, chain.from_iterable(documents), strict=True)))


def _reads(keys: GenerationKeys, ids: Mapping[str, Sequence[str]]) -> list[Command]:
    documents: list[Command] = [("HMGET", keys.documents(kind, "full"), *names) for kind, names in ids.items()]
    return [("GET", keys.checkpoint), *documents]


def _require_none_failed(replies: Sequence[Any]) -> None:
    for reply in replies:
        if isinstance(reply, ResponseError):
            raise reply
