"""Parts of the log that can be folded one by one: the events of some accounts, or of some groups."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias
from uuid import UUID

from shared.events import AccountErased

MOST_RANGES = 256

AGGREGATE = "aggregate_id"
"""The id of an event's aggregate, instead of a field of the event."""

RangedBy: TypeAlias = Mapping[str, str]
"""For each aggregate where its events have the id by which they are folded: `AGGREGATE`, or a field of them."""

_LAST_BYTE = slice(34, 36)
"""The last two digits of an id in the form that keys have; of what begins with one, too."""


@dataclass(frozen=True, slots=True)
class IdRange:
    """
    One of so many equal parts of all ids, by the remainder of their last byte: their first ones are a time.

    An event whose aggregate is in no table, or that has no such id (any more), concerns each range, as an erasure does.
    """

    nth: int = 0
    of: int = 1
    by: RangedBy = field(default_factory=dict)

    def holds(self, id: str) -> bool:
        """Whether what has an id, or one that begins with it, is in the range."""
        return self.of == 1 or int(id[_LAST_BYTE], 16) % self.of == self.nth

    def concerns(self, event: object, *, aggregate: str, aggregate_id: UUID) -> bool:
        """Whether an event is to be folded in the range."""
        if self.of == 1 or aggregate not in self.by or isinstance(event, AccountErased):
            return True
        name = self.by[aggregate]
        id_ = aggregate_id if name == AGGREGATE else getattr(event, name, None)
        return id_ is None or self.holds(str(id_))


EVERYTHING = IdRange()
