"""The hashes and lists of a generation, by what stands on them."""

from collections.abc import Iterator
from typing import NamedTuple, TypeAlias

from projector.declaring.index_entries import Entry, SortedEntry, UniqueEntry
from projector.declaring.projection import Projection
from shared.read_model.keys import VARIANTS, GenerationKeys
from shared.read_model.ordering import WORD

_LIST, _LOOK_UP = "list:", "by-"

Item: TypeAlias = str | bytes
"""What stands in a collection: the id of a document, the value of a unique entry, or the entry of a list."""


class Variant(NamedTuple):
    """The hash of one variant of all documents of a kind: `full` or `INDEX_ROW`."""

    kind: str
    variant: str


class Index(NamedTuple):
    """One hash of unique entries, or one list."""

    by: str
    is_list: bool

    def entry(self, item: Item) -> Entry:
        return SortedEntry(self.by, item) if isinstance(item, bytes) else UniqueEntry(self.by, item)


StoredCollection: TypeAlias = Variant | Index


def collections_of(projection: Projection) -> Iterator[StoredCollection]:
    """All that a generation of the projection can have."""
    for kind in projection.kinds:
        yield from (Variant(kind.name, variant) for variant in VARIANTS)
        yield from (Index(by, is_list=True) for by in ((*kind.orders, WORD) if kind.orders else ()))
    yield from (Index(by, is_list=not by.startswith(_LOOK_UP)) for by in projection.indexes)


def is_document(collection: StoredCollection) -> bool:
    """Whether a document stands there for each item; its other variants stand beside it."""
    return isinstance(collection, Variant) and collection.variant == "full"


def index_of(entry: Entry) -> Index:
    """Where an entry stands."""
    return Index(entry.by, isinstance(entry, SortedEntry))


def item_of(entry: Entry) -> Item:
    """Return the item's name there."""
    return entry.entry if isinstance(entry, SortedEntry) else entry.value


def key_of(collection: StoredCollection, keys: GenerationKeys) -> str:
    if isinstance(collection, Variant):
        return keys.documents(*collection)
    return keys.sorted_entries(collection.by) if collection.is_list else keys.unique_entries(collection.by)


def collection_at(key: str, keys: GenerationKeys) -> StoredCollection | None:
    """The collection with a key; None for what else a generation keeps."""
    name = key.removeprefix(keys.prefix)
    if name.startswith(_LIST):
        return Index(name.removeprefix(_LIST), is_list=True)
    if name.startswith(_LOOK_UP):
        return Index(name, is_list=False)
    kind, _, variant = name.rpartition(":")
    return Variant(kind, variant) if variant in VARIANTS else None
