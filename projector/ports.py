"""Where a projection's generations are kept, and who may feed them."""

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import msgspec

from projector.projection import Key, Placed
from shared.records import Checkpoint, Pointer


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """
    One commit. It is applied in the order of its fields, so that a server which comes back from a crash with any
    prefix of it does no harm: a document is only there once everything that leads to it is.
    """

    removals: Collection[Placed] = ()
    """Index entries given up; each is removed unless it leads to a document by now that does not give it up."""
    additions: Collection[Placed] = ()
    sheets: Mapping[Key, bytes] = field(default_factory=dict)
    """What lists are checked against, see `shared.listing.Sheet`."""
    public: Mapping[Key, bytes] = field(default_factory=dict)
    """Sealed documents as everybody sees them; before `full`, which alone says what position a document reflects."""
    full: Mapping[Key, bytes] = field(default_factory=dict)
    forgotten: Collection[Key] = ()
    strays: Collection[Placed] = ()
    """
    Entries at which a sweep found no document standing any more. Others leave an entry there as long as the sweep is to
    come by, and the sweep strikes it once the document is written: so nothing that a crash leaves of a commit can take
    a document out of its way.
    """
    checkpoint: Checkpoint
    """What the generation reflects afterwards."""

    @property
    def weight(self) -> int:
        """How many fields and entries it writes."""
        written = (self.removals, self.additions, self.sheets, self.public, self.full, self.strays)
        return sum(map(len, written)) + 3 * len(self.forgotten)


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

    async def entries(self, by: str, *, prefix: bytes, after: bytes | None, limit: int) -> Sequence[bytes]:
        """The entries of a list that begin with the prefix, in order, behind `after`; at most `limit`."""

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
