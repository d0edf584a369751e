"""What a projection is, and where its generations are kept."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, Generic, NamedTuple, Protocol, TypeAlias, TypeVar
from uuid import UUID

import msgspec

from shared.event_log import RecordedEvent
from shared.events import Event
from shared.records import Checkpoint, Pointer

Record = TypeVar("Record", bound=msgspec.Struct)


class Key(NamedTuple):
    """Which document: one of a kind, by the id of what it describes."""

    kind: str
    id: UUID


@dataclass(frozen=True, slots=True)
class Kind(Generic[Record]):
    """A kind of document: its name in Redis keys and the record it holds."""

    name: str
    record: type[Record]

    def key(self, id: UUID) -> Key:
        return Key(self.name, id)


class LookUp(NamedTuple):
    """An index entry that finds one document: by what, and the value in its normalised form."""

    by: str
    value: str


Entry: TypeAlias = LookUp
"""Where a record is to be found. Lists and words join with the projections that need them."""

Placed: TypeAlias = tuple[Entry, UUID]
"""An index entry and the document it leads to."""


class DocumentMissing(Exception):
    """A fold needs a document that does not exist: the log does not tell how it came to be."""

    def __init__(self, key: Key) -> None:
        super().__init__(f"there is no {key.kind} {key.id}")


class NotPrefetched(Exception):
    """A projection touches a document that its `needs` does not name."""

    def __init__(self, key: Key) -> None:
        super().__init__(f"needs() does not name {key.kind} {key.id}")


class Fetched(Protocol):
    """The documents read so far."""

    def find(self, kind: Kind[Record], id: UUID) -> Record | None:
        """The record, None if there is none or it was not read yet."""


class Documents(Protocol):
    """
    What a fold reads and saves.

    It knows the position each document reflects: what is saved or forgotten because of an event at or below that
    position is passed over, since the document reflects the event already.
    """

    def find(self, kind: Kind[Record], id: UUID) -> Record | None:
        """
        The record as all events so far made it, None if there is none.

        :raises NotPrefetched: `needs` did not name it.
        """

    def get(self, kind: Kind[Record], id: UUID) -> Record:
        """
        The record as all events so far made it.

        :raises DocumentMissing: there is none.
        :raises NotPrefetched: `needs` did not name it.
        """

    def save(self, kind: Kind[Record], id: UUID, record: Record) -> None:
        """Keep what the present event made of the record."""

    def forget(self, kind: Kind[Record], id: UUID) -> None:
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
        """Every kind of document it keeps."""

    def needs(self, event: Event, fetched: Fetched) -> Iterable[Key]:
        """
        Every document that `project` will touch, as far as can be told from what is fetched.

        Asked again with what it wanted, until it wants nothing more: three times at most.
        """

    def project(self, recorded: RecordedEvent, documents: Documents) -> None:
        """
        Fold one event into the documents; events that do not concern the projection are passed over.

        Whatever it raises stops the projection.
        """

    def index(self, record: Any) -> Iterable[Entry]:
        """Where the record is to be found; the engine stores the difference to where it was."""

    def public(self, record: Any) -> msgspec.Struct | None:
        """What everybody may see of the record; None if it is for the projection alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """
    One commit. It is applied in the order of its fields, so that a server which comes back from a crash with any
    prefix of it does no harm: a document is only there once everything that leads to it is.
    """

    removals: Collection[Placed] = ()
    """Index entries given up; each is removed unless it leads to a document by now that does not give it up."""
    additions: Collection[Placed] = ()
    public: Mapping[Key, bytes] = field(default_factory=dict)
    """Sealed documents as everybody sees them; before `full`, which alone says what position a document reflects."""
    full: Mapping[Key, bytes] = field(default_factory=dict)
    forgotten: Collection[Key] = ()
    checkpoint: Checkpoint
    """What the generation reflects afterwards."""


class Survey(NamedTuple):
    """What the store holds of a projection; `checkpoint` and `damaged` are of the generation that is to be fed."""

    live: Pointer | None = None
    filling: Pointer | None = None
    checkpoint: Checkpoint | None = None
    damaged: str | None = None

    @property
    def fed(self) -> Pointer | None:
        """The generation to be fed: the live one; before there is one, that of the first fill."""
        return self.live or self.filling


class ReadModelUnavailable(Exception):
    """The store cannot be reached or refuses to serve now; nothing is known of what was under way."""


class Superseded(Exception):
    """The store is not as it was when the work began (or may not be): nothing may be concluded, look again."""


class CannotGoOn(Exception):
    """Feeding must stop until somebody acts; the message names the projection, the cause and the remedy."""


class EvictionPossible(CannotGoOn):
    """The store may throw documents away while it keeps the checkpoint."""


class GenerationDamaged(CannotGoOn):
    """A commit was applied in part, or what is stored cannot be read."""


class VersionDiffers(CannotGoOn):
    """The generation was made by another version of the projection: it is frozen."""


class LogForked(CannotGoOn):
    """The events behind the checkpoint are not those of the log."""


class EventNotFoldable(CannotGoOn):
    """An event is of an unknown type, or the projection failed on it."""


class Commit(Protocol):
    """One commit in the making: whatever is read in it is as it was when the commit takes effect, or it takes none."""

    async def fetch(self, keys: Collection[Key]) -> Mapping[Key, bytes | None]:
        """The sealed full documents; None for those that do not exist."""

    async def confirm(self) -> None:
        """
        Return if everything that was read is still so.

        :raises Superseded: it is not.
        """

    async def apply(self, batch: Batch) -> None:
        """
        Store all of the batch and announce it, or nothing.

        :raises Superseded: something else was written, or the outcome is unknown.
        :raises GenerationDamaged: only a part was applied; the generation has been marked.
        """


class ReadModel(Protocol):
    """
    Where one projection's generations are kept.

    Every method raises `ReadModelUnavailable`, and `GenerationDamaged` if what it finds cannot be read.
    """

    async def attest(self) -> None:
        """
        Make sure that the store keeps what it is given, and mend what a restart of it may have left behind.

        :raises EvictionPossible: it does not.
        """

    async def survey(self) -> Survey:
        """What there is now."""

    async def begin_fill(self, pointer: Pointer) -> None:
        """
        Start a first fill with an empty generation; no reader sees it before `go_live`.

        :raises Superseded: there is a live generation, or a first fill that can be continued.
        """

    def commit(self, generation: str, *, expected: Checkpoint) -> AbstractAsyncContextManager[Commit]:
        """
        Begin a commit to a generation.

        :raises Superseded: its checkpoint is not `expected`, or it is neither live nor filling.
        :raises GenerationDamaged: it was marked.
        """

    async def go_live(self, pointer: Pointer, *, expected: Checkpoint) -> None:
        """
        End the first fill: readers see the generation from now on.

        :raises Superseded: its checkpoint is not `expected`, or it is not the one being filled.
        """


class Candidate(msgspec.Struct, frozen=True):
    """A projector that feeds or stands by: who it is (host, process id) and since when it runs (RFC 3339)."""

    id: str
    since: str


class Candidates(NamedTuple):
    """The projectors seen in the last seconds; `holder` is the one that feeds."""

    holder: Candidate | None
    all: Sequence[Candidate]


class Lease(Protocol):
    """
    Which of several projectors feeds, so that the others save themselves the work.

    It is for economy only: who is late to notice that he lost it does no harm, as every commit compares checkpoints.
    Every method raises `ReadModelUnavailable`.
    """

    async def hold(self, candidate: Candidate) -> bool:
        """Take or renew the lease for two seconds and be listed; says whether the candidate has it."""

    async def release(self, candidate: Candidate) -> None:
        """Give the lease up, if the candidate has it, and be listed no more."""

    async def candidates(self) -> Candidates:
        """Who is there."""
