"""What a verification looks at: a projection's live generation, and PostgreSQL's state."""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import NamedTuple, Protocol

from projector.audit.drift import Counterpart, Fields
from projector.folding.parking import Parking
from projector.folding.projection import Entry, Key
from projector.store.collections import Item, StoredCollection
from projector.store.errors import Superseded
from shared.errors import Unavailable, Unsound
from shared.event_log import RecordedEvent
from shared.read_model.positions import Checkpoint, Pointer


class Asked(NamedTuple):
    """What is to be read at one moment."""

    documents: Collection[Key] = ()
    """In all variants."""
    entries: Collection[Entry] = ()
    sizes: Collection[StoredCollection] = ()


class Seen(NamedTuple):
    """What there was at one moment, and how far the generation had come then."""

    live: Pointer
    checkpoint: Checkpoint
    parking: Parking
    """What is parked at the checkpoint."""
    documents: Mapping[tuple[Key, str], bytes | None]
    """By key and variant."""
    owners: Mapping[Entry, str | None]
    """What each unique entry leads to; an entry that stands in its list has an empty text here."""
    sizes: Mapping[StoredCollection, int]


class NothingToVerify(Exception):
    """There is no generation that could be compared; the message says why."""


CANNOT_LOOK = (
    Unavailable,
    Unsound,
    NothingToVerify,
    Superseded,
)
"""What keeps a verification from looking; it may look later."""


class Inspection(Protocol):
    """
    One projection's live generation, looked at while others write to it.

    Every method raises `Unavailable`, `GenerationDamaged` if something there is of the wrong kind, and
    `NothingToVerify`.
    """

    async def look(self, asked: Asked) -> Seen:
        """Read everything asked for in one transaction, with the pointer, the checkpoint and what is parked."""

    async def some(self, kind: str, *, limit: int) -> Sequence[str]:
        """The ids of some documents of a kind, others each time."""

    async def collections(self) -> Collection[StoredCollection]:
        """Every hash of documents or unique entries and every list that is there."""

    def walk(self, collection: StoredCollection) -> AsyncIterator[Sequence[Item]]:
        """
        Everything that stands in a collection, in portions that hold nobody up.

        What stands there throughout is given at least once; what comes or goes meanwhile may be or not.
        """


class Snapshot(Protocol):
    """PostgreSQL at one moment: the log and the state that belongs to it."""

    async def events(self, *, after: int, limit: int) -> Sequence[RecordedEvent]:
        """The events of this moment behind a position, in order, at most `limit`; gaps are passed over."""

    def rows(self, counterpart: Counterpart) -> AsyncIterator[tuple[str, Fields]]:
        """Every row of a published view, streamed, with the id of its record."""

    async def rows_of(self, counterpart: Counterpart, ids: Collection[str]) -> Mapping[str, Fields]:
        """The rows of a few records by their ids; those that there are."""

    async def head(self) -> int:
        """The position of the last event."""

    async def some(self, aggregate: str, *, after: int, limit: int) -> Sequence[str]:
        """The ids of a few aggregates of a kind that changed behind a position of the log."""


class Directory(Protocol):
    """
    The write side's state, as it publishes it.

    Whatever is asked raises `Unavailable` if PostgreSQL cannot be reached, and `EventLogUnsound` if it has no
    such views.
    """

    def snapshot(self) -> AbstractAsyncContextManager[Snapshot]:
        """Look at one moment of it, however long that takes; nobody waits for it."""
