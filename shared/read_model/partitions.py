"""
Into how many partitions the read models are divided, and what lies in which.

A partition is one hash tag, so one slot of a cluster: one MULTI and one WATCH reach all of it. Each partition follows
the whole log, and has a pointer, a roster and a checkpoint of its own for each of its projections. What lies where:

- `profiles`: a person in the partition of the account's id (see `Partitions.of`); slugs and names of groups in all.
- `activity`: an account in that of its id; what a group has been called in all.
- `groups`: a group in the partition of its own id; a membership and a person in that of the account's id.
- `unique-entries` (`by-handle`, `by-email`, `by-external-id`, and `by-slug` of groups): an entry in the partition of
  what it is by and its value (see `Partitions.of_entry`), under the name `GenerationKeys.unique_entries` as elsewhere.
- `stats` and `changes`, the bus, sessions, sign-in links, limits, and how many partitions there are: at `HOME`.

With one partition all is at `HOME`, there is no projection of unique entries, and they stand in `profiles` and
`groups`. The `by-slug` of `profiles` stands there in any case: in all partitions.
"""

from binascii import crc_hqx
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count
from zlib import crc32

from shared.read_model.keys import HOME, Keyspace

UNIQUE_ENTRIES = "unique-entries"
"""The projection that has the unique entries of partitioned records, where there are several partitions."""

AT_HOME = frozenset({"stats", "changes"})
"""The projections that are not partitioned."""

SLOTS = 16_384
"""Of a cluster."""


@dataclass(frozen=True, slots=True)
class Partitions:
    """:param count: how many there are."""

    count: int = 1
    keyspaces: Sequence[Keyspace] = field(init=False, compare=False, repr=False)
    """One for each, in their order."""

    def __post_init__(self) -> None:
        names = [HOME] if self.count == 1 else [Keyspace(tag_of(nth, self.count)) for nth in range(self.count)]
        object.__setattr__(self, "keyspaces", names)

    @property
    def tags(self) -> Sequence[str]:
        """The hash tags of all."""
        return [each.tag for each in self.keyspaces]

    def of(self, id: str) -> int:
        """Return the number of the partition of an account or a group, by its id in the form that keys have."""
        return crc32(id.encode()) % self.count

    def of_entry(self, by: str, value: str) -> int:
        """Return that of a unique entry: by what, such as `by-handle`, and the value in its normalised form."""
        return crc32(f"{by}:{value}".encode()) % self.count

    def keyspaces_of(self, projection: str) -> Sequence[Keyspace]:
        """Return where a projection has its generations."""
        return [HOME] if projection in AT_HOME else self.keyspaces


ONE = Partitions()


def tag_of(nth: int, of: int) -> str:
    """
    Return the hash tag of a partition: `<of>.<nth>.<salt>`.

    The salt is the first number that puts its slot into the middle half of the nth of so many equal ranges, so that a
    cluster of any number of nodes that divides the partitions has equal parts, also if its ranges are somewhat off.
    """
    width = SLOTS / of
    first, last = (nth + 0.25) * width, (nth + 0.75) * width
    tags = (f"{of}.{nth}.{salt}" for salt in count())
    return next(tag for tag in tags if first <= crc_hqx(tag.encode(), 0) % SLOTS < last)
