"""How generations are read by those who compare, count and audit, while others write to them."""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from typing import NamedTuple, Protocol

from projector.declaring.documents import Key
from projector.declaring.index_entries import Entry
from projector.folding.parking import Parking
from projector.store.collections import Item, StoredCollection
from projector.store.generations import Size
from shared.read_model.keys import VARIANTS
from shared.read_model.positions import Checkpoint, Pointer


class GenerationQuery(NamedTuple):
    """A question about the content of a generation."""

    documents: Collection[Key] = ()
    variants: Sequence[str] = VARIANTS
    """Of the documents."""
    entries: Collection[Entry] = ()
    sizes: Collection[StoredCollection] = ()


class GenerationSnapshot(NamedTuple):
    """The content of a generation at one moment, and how far the generation had come then."""

    live: Pointer | None
    """The generation that readers used."""
    checkpoint: Checkpoint
    parking: Parking
    """What is parked at the checkpoint."""
    damaged: str | None
    """Why nothing here can be relied on, if a commit was applied in part."""
    documents: Mapping[tuple[Key, str], bytes | None]
    """Sealed, by key and variant."""
    owners: Mapping[Entry, str | None]
    """The document that each unique entry leads to; an entry that stands in its list has an empty text here."""
    sizes: Mapping[StoredCollection, int]


class GenerationInspector(Protocol):
    """
    Reads one projection's generations as they are.

    Every method raises `Unavailable`, and `GenerationDamaged` if something there is of the wrong kind.
    """

    async def live(self) -> Pointer | None:
        """Return the generation that readers use."""

    async def inspect(self, pointers: Sequence[Pointer], query: GenerationQuery) -> Sequence[GenerationSnapshot]:
        """
        Read the same of several generations in one transaction.

        :raises Superseded: one of them is gone.
        :raises GenerationDamaged: the live one has lost its checkpoint.
        """

    async def sample(self, pointer: Pointer, kind: str, *, limit: int) -> Sequence[str]:
        """Return the ids of some documents of a kind, others each time."""

    async def collections(self, pointer: Pointer) -> Collection[StoredCollection]:
        """Return every hash of documents or unique entries, and every list that is there."""

    def walk(self, pointer: Pointer, collection: StoredCollection) -> AsyncIterator[Mapping[Item, bytes]]:
        """
        Give all items of a collection with their values, in portions that hold no others up; those of a list have none.

        What stands there throughout is given at least once; what comes or goes meanwhile may be or not.
        """

    async def size(self, pointer: Pointer, collections: Collection[StoredCollection]) -> Size:
        """Return how much stands in the collections of a generation; nothing in those of one that is gone."""
