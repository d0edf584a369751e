"""What a projection is: pure functions of events and of the documents they touch."""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, Protocol, TypeAlias, TypeVar
from uuid import UUID

import msgspec

from shared.event_log import RecordedEvent
from shared.events import Event
from shared.read_model.ordering import IndexRow

Record = TypeVar("Record", bound=msgspec.Struct)


class Key(NamedTuple):
    """Which document: one of a kind, by the id of what it describes in the form that keys have."""

    kind: str
    id: str


@dataclass(frozen=True, slots=True)
class Kind(Generic[Record]):
    """
    A kind of document: its name in Redis keys and the record it holds.

    :param orders: the lists in which its index rows stand, one for each of an index row's keys.
    """

    name: str
    record: type[Record]
    orders: tuple[str, ...] = ()

    def key(self, id: UUID | str) -> Key:
        return Key(self.name, str(id))


class UniqueEntry(NamedTuple):
    """An index entry that finds one document: by what, and the value in its normalised form."""

    by: str
    value: str


class SortedEntry(NamedTuple):
    """An index entry that stands in a sorted list: which (see `GenerationKeys.listing`), and its bytes."""

    by: str
    entry: bytes


Entry: TypeAlias = UniqueEntry | SortedEntry
"""Where a record is to be found."""

OwnedEntry: TypeAlias = tuple[Entry, str]
"""An index entry and the id of the document it leads to."""


class FanOut(NamedTuple):
    """
    What an event does to every document of a list, however many they are.

    The engine brings it to them in chunks, while other events go on. A document that is touched meanwhile is brought up
    to date first, so that each one takes up all events in their order; readers are told a position before the event
    until the last is done.

    :param by: the list, see `GenerationKeys.listing`.
    :param prefix: of the entries concerned.
    :param kind: of the documents concerned. Every document of the kind may be offered to `revise`.
    :param key: the document that an entry leads to.
    :param revise: what the event makes of the document with an id: None to drop it, itself if it is not concerned. The
        event may have been parked: then it comes late, and maybe twice, to documents that reflect events after it.
    :param stands: whether the document with an id, which may have been dropped, stands at an entry of the list.
    :param reindexes: whether what is revised changes its place in lists or unique entries.
    """

    by: str
    prefix: bytes
    kind: "Kind[Any]"
    key: Callable[[bytes], Key]
    revise: Callable[[str, Any], Any]
    stands: Callable[[str, Any, bytes], bool]
    reindexes: bool

    def is_ahead(self, entry: Entry, *, done: bytes | None) -> bool:
        """Whether the way still leads over an entry, from the last one that was `done`."""
        if not isinstance(entry, SortedEntry) or entry.by != self.by:
            return False
        return entry.entry.startswith(self.prefix) and (done is None or entry.entry > done)


class DocumentMissing(Exception):
    """A fold needs a document that does not exist: the log does not tell how it came to be."""

    def __init__(self, key: Key) -> None:
        super().__init__(f"there is no {key.kind} {key.id}")


class NotPrefetched(Exception):
    """A projection touches a document that its `needs` does not name."""

    def __init__(self, key: Key) -> None:
        super().__init__(f"needs() does not name {key.kind} {key.id}")


class ReadOnly(Exception):
    """A projection saves a document that its `reads` names."""

    def __init__(self, key: Key) -> None:
        super().__init__(f"reads() names {key.kind} {key.id}, and project() saves it")


class Fetched(Protocol):
    """The documents read so far."""

    def find(self, kind: Kind[Record], id: UUID | str) -> Record | None:
        """The record, None if there is none or it was not read yet."""


class Documents(Protocol):
    """
    What a fold reads and saves.

    It knows the position each document reflects: what is saved or forgotten because of an event at or below that
    position is passed over, since the document reflects the event already.
    """

    def find(self, kind: Kind[Record], id: UUID | str) -> Record | None:
        """
        The record as all events so far made it, None if there is none.

        :raises NotPrefetched: `needs` did not name it.
        """

    def get(self, kind: Kind[Record], id: UUID | str) -> Record:
        """
        The record as all events so far made it.

        :raises DocumentMissing: there is none.
        :raises NotPrefetched: `needs` did not name it.
        """

    def save(self, kind: Kind[Record], id: UUID | str, record: Record) -> None:
        """Keep what the present event made of the record."""

    def forget(self, kind: Kind[Record], id: UUID | str) -> None:
        """Drop the document; its index entries go with it."""


class Projection(Protocol):
    """A read model as pure functions of events; the engine fetches before and stores after."""

    @property
    def name(self) -> str:
        """Its name, in keys and for operators."""

    @property
    def version(self) -> int:
        """Raised with every change that makes older documents wrong; a generation is fed by its own version only."""

    @property
    def kinds(self) -> Sequence[Kind[Any]]:
        """
        Every kind of document it keeps.

        A commit writes them in this order. After a crash in its middle, documents of the first kinds may be ahead of
        those of the last: what is counted comes before what tells it apart.
        """

    @property
    def indexes(self) -> Collection[str]:
        """What the entries that `index` names are by; unique entries begin with `by-`."""

    def needs(self, recorded: RecordedEvent, fetched: Fetched) -> Iterable[Key]:
        """
        Every document that `project` will touch, as far as can be told from what is fetched.

        Asked again with what it wanted, until it wants nothing more: three times at most.
        """

    def reads(self, recorded: RecordedEvent) -> Collection[Key]:
        """
        Those of `needs` that `project` does not save.

        If what it would save is parked, so is the event. What it only reads may be a state of earlier, because events
        of that document are parked, or of later, because the event was parked itself: name only what may be so.
        """

    @property
    def waits_to_read(self) -> bool:
        """Whether an event waits for the parked ones of what it reads as well, so that this is no state of earlier."""

    def project(self, recorded: RecordedEvent, documents: Documents) -> None:
        """
        Fold one event into the documents; events that do not concern the projection are passed over.

        Whatever it raises parks the event: nothing that it saved is kept.
        """

    def fan_out(self, event: Event) -> FanOut | None:
        """What the event does to more documents than `needs` should name; None for nearly all events."""

    def index(self, key: Key, record: Any) -> Iterable[Entry]:
        """Where the record is to be found; the engine stores the difference to where it was."""

    def index_row(self, record: Any) -> IndexRow | None:
        """What of it decides in which lists of many orders it stands; the engine keeps those lists. None: in none."""

    def public(self, record: Any) -> msgspec.Struct | None:
        """What everybody may see of the record; None if it is for the projection alone."""
