"""Which partition has what of a projection that is divided."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from read_side.adapters.redis.transport.generation import Partition
from read_side.adapters.redis.transport.reads import Field
from shared.read_model.partitions import Partitions

_NAME = 36
"""How many bytes an id has in the form that keys have; with one each key ends that is not a value."""


@dataclass(frozen=True, slots=True)
class Layout:
    """
    Where a view finds what.

    :param own: the partitions of its projection.
    :param entries: those of the unique entries.
    :param unique: the hashes that are looked for among the unique entries.
    :param everywhere: the hashes that each partition has whole.
    """

    partitions: Partitions
    own: Sequence[Partition]
    entries: Sequence[Partition]
    unique: Collection[str]
    everywhere: Collection[str]

    def of(self, field: Field) -> Partition:
        """Return which has a field of a hash."""
        if field.hash in self.unique:
            return self.entries[self.partitions.of_entry(field.hash, field.field.decode())]
        return self.own[0] if field.hash in self.everywhere else self.of_id(field.field)

    def of_id(self, name: bytes) -> Partition:
        """Return which has what belongs to the account or group with whose id a name ends."""
        return self.own[self.partitions.of(name[-_NAME:].decode())]

    @property
    def is_divided(self) -> bool:
        """Whether there are several partitions."""
        return len(self.own) > 1

    @property
    def all(self) -> Sequence[Partition]:
        return [*self.own, *self.entries]
