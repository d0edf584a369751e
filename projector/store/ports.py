"""Where a projection's generations are kept, and who may feed them."""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import msgspec

from projector.declaring.documents import Key
from projector.declaring.index_entries import UniqueEntry
from projector.declaring.projection import Projection
from projector.folding.batch import Batch
from projector.store.generations import Survey
from projector.store.inspection import GenerationInspector
from projector.store.transitions import Transition
from shared.read_model.keys import HOME, Keyspace
from shared.read_model.positions import Checkpoint, Pointer


class Commit(Protocol):
    """One commit in the making: whatever is read in it is as it was when the commit takes effect, or it takes none."""

    fetched: Mapping[Key, bytes | None]
    """The sealed full documents that were asked for when it began; None for those that do not exist."""
    parked: Mapping[str, bytes]
    """The parked events, by the name that a checkpoint has for them; older states of them may be there, too."""

    async def fetch(self, keys: Collection[Key]) -> Mapping[Key, bytes | None]:
        """The sealed full documents; None for those that do not exist."""

    async def entries(self, by: str, *, prefix: bytes, after: bytes | None, limit: int) -> Sequence[bytes]:
        """The entries of a list that begin with the prefix, in order, behind `after`; at most `limit`."""

    async def owners(self, entries: Collection[UniqueEntry]) -> Mapping[UniqueEntry, str | None]:
        """The ids of the documents that unique entries lead to; None where they lead nowhere."""

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
    A store of one projection's generations.

    Every method raises `Unavailable`, and `GenerationDamaged` if what it finds cannot be read.
    """

    async def attest(self) -> None:
        """
        Make sure that the store keeps what it is given, and mend what a restart of it may have left behind.

        :raises EvictionPossible: it does not.
        """

    async def survey(self) -> Survey:
        """Return the present state of the store."""

    async def transition(self, change: Transition) -> Survey:
        """
        Change which generations there are, and return what there is then.

        :raises Superseded: something was written meanwhile, or the outcome is unknown.
        :raises Refused: the change does.
        """

    async def unlink(self, pointer: Pointer) -> None:
        """Remove all that is kept of a generation, without holding up the server."""

    def commit(
        self, generation: str, *, expected: Checkpoint, documents: Collection[Key] = ()
    ) -> AbstractAsyncContextManager[Commit]:
        """
        Begin a commit to a generation, and read some of its documents, and what is parked in it, in the same trip.

        :raises Superseded: its checkpoint is not `expected`, or it is none of those that are fed.
        :raises GenerationDamaged: it was marked.
        """


class Move(NamedTuple):
    """
    A checkpoint that is to take the place of another, since nothing in between concerns the generation.

    :param label: of the projection's part, see `Projection.label`.
    """

    label: str
    generation: str
    before: Checkpoint
    after: Checkpoint


class Checkpoints(Protocol):
    """Moves the checkpoints of many generations in few trips."""

    def move(self, moves: Sequence[Move]) -> AsyncIterator[tuple[Move, bool]]:
        """
        Put each checkpoint in the place of the former one, where that stands, and announce it; say whether it did.

        Of a server that is away nothing is said, nor of one that has not answered yet to what it was asked before.
        """


@dataclass(frozen=True, slots=True)
class ProjectionStore:
    """A projection, the adapters on which what it makes is kept, and the names of its keys there."""

    projection: Projection
    model: ReadModel
    inspector: GenerationInspector
    keyspace: Keyspace = HOME


class Candidate(msgspec.Struct, frozen=True):
    """
    A projector that feeds or stands by.

    :param id: its host, its process id, and some letters that no other has.
    :param since: when it began to run (RFC 3339).
    :param feeds: a digest of the leases that it takes part for: those who take part for the same ones share them.
    """

    id: str
    since: str
    feeds: str = ""


class LeaseName(NamedTuple):
    """
    The purpose of a lease: feeding what one version of a projection has made in a partition.

    :param partition: its hash tag.
    """

    projection: str
    version: int
    partition: str = HOME.tag


class Candidates(NamedTuple):
    """
    The projectors of the last seconds, and which of them feeds what.

    :param holders: of each lease that one of them holds.
    :param present: those that have given a sign of life in a partition, by its hash tag.
    """

    holders: Mapping[LeaseName, Candidate]
    present: Mapping[str, Sequence[Candidate]]

    @property
    def all(self) -> Sequence[Candidate]:
        """Those with a sign of life in any partition; who has been there the longest comes first."""
        found = {each.id: each for present in self.present.values() for each in present}
        return sorted(found.values(), key=lambda each: (each.since, each.id))


class Lease(Protocol):
    """
    Claims of projectors to feed, which save the others the work; each lies in its partition, beside what is fed.

    Projectors of different versions feed side by side. It is for economy only: a holder that misses its loss
    does no harm, as every commit compares checkpoints. Every method raises `Unavailable`.
    """

    async def by_server(self, names: Sequence[LeaseName]) -> Sequence[Sequence[LeaseName]]:
        """Divide leases by where they are kept: one server may be away, and another not."""

    async def renew(self, candidate: Candidate, names: Sequence[LeaseName]) -> Candidates:
        """
        Be listed in the partitions of these leases, and keep those that the candidate has, for a few seconds.

        :param names: those on one server, see `by_server`.
        """

    async def take(self, candidate: Candidate, names: Sequence[LeaseName]) -> frozenset[LeaseName]:
        """Take leases that nobody held when they were last renewed; says which of them the candidate has now."""

    async def release(self, candidate: Candidate, names: Sequence[LeaseName]) -> None:
        """Give up those leases that the candidate has."""

    async def leave(self, candidate: Candidate, names: Sequence[LeaseName]) -> None:
        """Give up those leases that the candidate has, and be listed no more."""

    async def candidates(self, names: Sequence[LeaseName]) -> Candidates:
        """
        Return the projectors that are there, and the holders of these leases, on the servers that answer.

        :raises Unavailable: none does.
        """
