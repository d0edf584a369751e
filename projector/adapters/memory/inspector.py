"""A projection's generations in a `MemoryStore` as they are."""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from random import sample

from projector.adapters.memory.store import MemoryStore
from projector.declaring.index_entries import Entry, SortedEntry
from projector.store import codec
from projector.store.codec import checkpoint_of, parking_at
from projector.store.collections import (
    Item,
    StoredCollection,
    Variant,
    collection_at,
    is_document,
    key_of,
)
from projector.store.generations import Size
from projector.store.inspection import GenerationQuery, GenerationSnapshot
from shared.read_model.keys import GenerationKeys
from shared.read_model.positions import Pointer


class MemoryGenerationInspector:
    """Reads a store at once: nothing else waits for it."""

    def __init__(self, store: MemoryStore, *, projection: str) -> None:
        self._store = store
        self._keys = store.keyspace.projection(projection)

    async def live(self) -> Pointer | None:
        self._store.check()
        return codec.live(self._store.string(self._keys.live), keys=self._keys).pointer

    async def inspect(self, pointers: Sequence[Pointer], query: GenerationQuery) -> Sequence[GenerationSnapshot]:
        live = await self.live()
        return [self._snapshot(pointer, live, query) for pointer in pointers]

    async def sample(self, pointer: Pointer, kind: str, *, limit: int) -> Sequence[str]:
        self._store.check()
        ids = sorted(map(str, self._items(Variant(kind, "full"), self._keys.generation(pointer.generation))))
        return sample(ids, min(limit, len(ids)))

    async def collections(self, pointer: Pointer) -> Collection[StoredCollection]:
        self._store.check()
        keys = self._keys.generation(pointer.generation)
        own = [key for key, value in self._store.content.items() if value and key.startswith(keys.prefix)]
        return {collection for key in own if (collection := collection_at(key, keys))}

    async def walk(self, pointer: Pointer, collection: StoredCollection) -> AsyncIterator[Mapping[Item, bytes]]:
        self._store.check()
        yield self._items(collection, self._keys.generation(pointer.generation))

    async def size(self, pointer: Pointer, collections: Collection[StoredCollection]) -> Size:
        self._store.check()
        keys = self._keys.generation(pointer.generation)
        return Size(sum(len(self._items(each, keys)) for each in collections if is_document(each)), None)

    def _snapshot(self, pointer: Pointer, live: Pointer | None, query: GenerationQuery) -> GenerationSnapshot:
        keys = self._keys.generation(pointer.generation)
        damaged = self._store.string(keys.damaged)
        checkpoint = checkpoint_of(pointer, self._store.string(keys.checkpoint), live=live, keys=self._keys)
        return GenerationSnapshot(
            live=live,
            checkpoint=checkpoint,
            parking=parking_at(checkpoint, self._store.fields(keys.parked), projection=self._keys.projection),
            damaged=damaged.decode() if damaged else None,
            documents={
                (key, variant): self._store.field(keys.documents(key.kind, variant), key.id)
                for key in query.documents
                for variant in query.variants
            },
            owners={entry: self._owner(entry, keys) for entry in query.entries},
            sizes={collection: len(self._items(collection, keys)) for collection in query.sizes},
        )

    def _items(self, collection: StoredCollection, keys: GenerationKeys) -> Mapping[Item, bytes]:
        key = key_of(collection, keys)
        items: dict[Item, bytes] = dict.fromkeys(self._store.listed(key), b"")
        return items or dict(self._store.fields(key).items())

    def _owner(self, entry: Entry, keys: GenerationKeys) -> str | None:
        if isinstance(entry, SortedEntry):
            return "" if entry.entry in self._store.listed(keys.sorted_entries(entry.by)) else None
        owner = self._store.field(keys.unique_entries(entry.by), entry.value)
        return None if owner is None else owner.decode()
