"""What a command asks of its group."""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from write_side.adapters.postgres.rows import Rows
from write_side.domain.account import Account
from write_side.domain.aggregate import Aggregate
from write_side.domain.group import Group
from write_side.domain.membership import Membership
from write_side.domain.profile import Profile

ROWS: dict[type[Aggregate], Rows[Any]] = {kind: Rows(kind) for kind in (Account, Profile, Group, Membership)}
"""In an order in which rows can be inserted: each behind those that it refers to."""


@dataclass(frozen=True, slots=True)
class RowSource:
    """
    The columns, lock and condition with which an aggregate is looked for.

    :param lock: the clause that keeps it from changing until the transaction ends; empty if the command changes it, and
        its version is compared.
    :param free: SQL that says of each row whether it may be had.
    """

    kind: type[Aggregate]
    columns: tuple[str, ...]
    lock: str = ""
    free: str = "true"


@dataclass(frozen=True, slots=True)
class LookRequest:
    """Asks for the aggregate that has these values in the columns of its source."""

    source: RowSource
    values: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Change:
    """What is done to the row of an aggregate."""

    what: Literal["delete", "insert", "update"]
    aggregate: Aggregate
    row: Mapping[str, Any]

    @property
    def kind(self) -> type[Aggregate]:
        return type(self.aggregate)


class CommitRequest:
    """Asks for everything to be stored."""

    def __init__(self, of: Aggregate, *, touched: Sequence[Aggregate], removed: Sequence[Aggregate]) -> None:
        """
        :param of: whose id, version and position are the outcome.
        :param touched: everything that was loaded or added, in the order in which events are appended.
        :param removed: those of them whose rows are deleted.
        """
        self.of = of
        self.changes = [_change(each, is_removed=each in removed) for each in touched if each.pending]

    def claims(self) -> Iterator[Hashable]:
        """Yield what no other command of the group may store: the aggregates themselves, and their unique values."""
        for change in self.changes:
            yield change.kind, change.aggregate.id
            if change.what != "delete":
                yield from ROWS[change.kind].unique_values(change.row)


def _change(aggregate: Aggregate, *, is_removed: bool) -> Change:
    row = ROWS[type(aggregate)].row(aggregate)
    return Change("delete" if is_removed else "update" if aggregate.stored_version else "insert", aggregate, row)
