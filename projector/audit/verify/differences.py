"""What a verification finds and tells."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from projector.folding.projection import Entry, Key

MOST_DETAILS = 1_000
"""Told in full; all differences are counted."""


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """
    One field of one entity that is not as it should be.

    :param entity: kind and id, such as `profile 0198…`; of an entry that leads to nobody, where it stands.
    :param field: of the record; `public.…` of its public variant, `by-…` and `list:…` of what leads to it, `state.…`
        where PostgreSQL's state is not what the log tells.
    :param expected: null if there should be nothing.
    :param found: null if there is nothing.
    """

    projection: str
    entity: str
    field: str
    expected: Any
    found: Any


@dataclass(slots=True)
class Findings:
    """Which documents and entries of one projection are not as they should be."""

    documents: dict[Key, int] = field(default_factory=dict)
    """How many differences each has."""
    foreign: dict[Entry, str] = field(default_factory=dict)
    """Entries that should not be there, and what they lead to: an empty text for those of lists."""
    state: int = 0
    """How many there are between the log and PostgreSQL's state."""
    details: list[Difference] = field(default_factory=list)

    def differs(self, key: Key, differences: list[Difference]) -> None:
        self.documents[key] = len(differences)
        self._tell(differences)

    def is_foreign(self, entry: Entry, owner: str, difference: Difference) -> None:
        self.foreign[entry] = owner
        self._tell([difference])

    def state_differs(self, difference: Difference) -> None:
        self.state += 1
        self._tell([difference])

    @property
    def in_store(self) -> int:
        """How many differences there are in the store."""
        return sum(self.documents.values()) + len(self.foreign)

    @property
    def count(self) -> int:
        return self.in_store + self.state

    def _tell(self, differences: Iterable[Difference]) -> None:
        room = MOST_DETAILS - len(self.details)
        self.details += list(differences)[: max(0, room)]


class Verified(msgspec.Struct, kw_only=True):
    """What came of verifying one projection; `seconds` is the time it took."""

    projection: str
    position: int
    documents: int
    entries: int
    """Look-ups and entries of lists."""
    rows: int = 0
    """Of PostgreSQL's state."""
    stale: int = 0
    """Documents that events are parked for: they were compared with what they should be without those."""
    differences: int
    repaired: int = 0
    details: list[Difference] = []
    seconds: float

    @property
    def stands(self) -> int:
        """How many differences are left."""
        return self.differences - self.repaired


class Report(msgspec.Struct, kw_only=True, omit_defaults=True):
    """The answer of `muster verify --json`: `position` is the lowest that was compared."""

    position: int
    checked: int
    stale: int = 0
    """Documents that events are parked for."""
    differences: int
    repaired: int | None = None
    """Only where repairing was asked for."""
    details: list[Difference]


def report(verified: list[Verified], *, repair: bool) -> Report:
    return Report(
        position=min((each.position for each in verified), default=0),
        checked=sum(each.documents + each.entries + each.rows for each in verified),
        stale=sum(each.stale for each in verified),
        differences=sum(each.differences for each in verified),
        repaired=sum(each.repaired for each in verified) if repair else None,
        details=[detail for each in verified for detail in each.details][:MOST_DETAILS],
    )
