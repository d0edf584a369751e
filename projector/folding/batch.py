"""What one commit writes."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from projector.declaring.documents import Key
from projector.declaring.index_entries import OwnedEntry
from shared.read_model.positions import Checkpoint


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """
    One commit. It is applied in the order of its fields, so that a server which comes back from a crash with any
    prefix of it does no harm: a document is only there once everything that leads to it is.
    """

    anew: bool = False
    """Whether all documents and entries of the generation go first: of one that reflects nothing and is filled anew."""
    removals: Collection[OwnedEntry] = ()
    """Index entries given up; each is removed unless it leads to a document by now that does not give it up."""
    additions: Collection[OwnedEntry] = ()
    listed: Mapping[str, Sequence[bytes]] = field(default_factory=dict)
    """The same for the entries of lists, by list, of documents that had none."""
    index_rows: Mapping[Key, bytes] = field(default_factory=dict)
    """What lists are checked against, see `shared.read_model.ordering.IndexRow`."""
    full: Mapping[Key, bytes] = field(default_factory=dict)
    """Sealed documents; last, for they say what position all that leads to them reflects."""
    superfluous: Collection[tuple[Key, str]] = ()
    """Variants that stand beside a document and should not; only a repair finds any."""
    forgotten: Collection[Key] = ()
    strays: Collection[OwnedEntry] = ()
    """
    Entries at which a fan-out found no document standing any more. Others leave an entry there as long as the fan-out
    is to come by, and the fan-out strikes it once the document is written: so nothing that a crash leaves of a commit
    can take a document out of its way.
    """
    parked: Mapping[str, bytes] = field(default_factory=dict)
    """What is parked (a `Parking` in JSON), if that has changed, by the name that the checkpoint has for it."""
    outdated: Collection[str] = ()
    """Names under which older states of it are kept, but not the last: a crash may bring back who relies on that."""
    checkpoint: Checkpoint
    """What the generation reflects afterwards."""

    @property
    def weight(self) -> int:
        """How many fields and entries it writes."""
        written = (self.removals, self.additions, self.index_rows, self.full, self.strays)
        return sum(map(len, written)) + sum(map(len, self.listed.values())) + 2 * len(self.forgotten)
