"""Looking at a projection's live generation in a `MemoryStore`."""

from collections.abc import AsyncIterator, Collection, Sequence
from random import sample

from projector.adapters.memory.read_model import MemoryStore
from projector.audit.ports import Asked, NothingToVerify, Seen
from projector.folding.projection import Entry, SortedEntry
from projector.store.codec import decoded, parking_at
from projector.store.collections import Item, StoredCollection, Variant, collection_at, key_of, prefix_of
from projector.store.errors import GenerationDamaged
from shared.read_model.keys import VARIANTS, GenerationKeys
from shared.read_model.positions import Checkpoint, Pointer


class MemoryInspection:
    """Reads a store of which nobody has to be kept waiting."""

    def __init__(self, store: MemoryStore, *, projection: str) -> None:
        self._store = store
        self._keys = store.keyspace.projection(projection)

    async def look(self, asked: Asked) -> Seen:
        live, keys = self._live()
        if damaged := self._store.string(keys.damaged):
            raise GenerationDamaged(damaged.decode())
        checkpoint = self._checkpoint(keys)
        return Seen(
            live=live,
            checkpoint=checkpoint,
            parking=parking_at(checkpoint, self._store.fields(keys.parked), projection=self._keys.projection),
            documents={
                (key, variant): self._store.field(keys.documents(key.kind, variant), key.id)
                for key in asked.documents
                for variant in VARIANTS
            },
            owners={entry: self._owner(entry, keys) for entry in asked.entries},
            sizes={collection: len(self._items(collection, keys)) for collection in asked.sizes},
        )

    async def some(self, kind: str, *, limit: int) -> Sequence[str]:
        _, keys = self._live()
        ids = sorted(map(str, self._items(Variant(kind, "full"), keys)))
        return sample(ids, min(limit, len(ids)))

    async def collections(self) -> Collection[StoredCollection]:
        _, keys = self._live()
        ours = [key for key in self._store.content if key.startswith(prefix_of(keys))]
        return {collection for key in ours if (collection := collection_at(key, keys))}

    async def walk(self, collection: StoredCollection) -> AsyncIterator[Sequence[Item]]:
        _, keys = self._live()
        yield list(self._items(collection, keys))

    def _items(self, collection: StoredCollection, keys: GenerationKeys) -> Collection[Item]:
        if not isinstance(collection, Variant) and collection.is_list:
            return self._store.listed(key_of(collection, keys))
        value = self._store.content.get(key_of(collection, keys))
        return list(value) if isinstance(value, dict) else ()

    def _owner(self, entry: Entry, keys: GenerationKeys) -> str | None:
        if isinstance(entry, SortedEntry):
            return "" if entry.entry in self._store.listed(keys.sorted_entries(entry.by)) else None
        owner = self._store.field(keys.unique_entries(entry.by), entry.value)
        return None if owner is None else owner.decode()

    def _live(self) -> tuple[Pointer, GenerationKeys]:
        self._store.check()
        live = decoded(self._store.string(self._keys.live), Pointer, keys=self._keys)
        if live is None:
            raise NothingToVerify(f"projection {self._keys.projection}: no generation is live yet")
        return live, self._keys.generation(live.generation)

    def _checkpoint(self, keys: GenerationKeys) -> Checkpoint:
        checkpoint = decoded(self._store.string(keys.checkpoint), Checkpoint, keys=self._keys)
        if checkpoint is None:
            raise GenerationDamaged(f"projection {self._keys.projection}: its live generation has lost its checkpoint")
        return checkpoint
