"""What several commands store, in statements of all rows at once."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Generic, TypeVar
from uuid import UUID

from write_side.adapters.postgres.failures import refusal_by
from write_side.adapters.postgres.group_commit.requests import ROWS, CommitRequest
from write_side.adapters.postgres.mapping import TABLES
from write_side.adapters.postgres.rows import Row, Statement, as_json, recordset
from write_side.adapters.postgres.tables import event_log
from write_side.adapters.postgres.unit_of_work import event_rows
from write_side.domain.account import Account
from write_side.domain.aggregate import Aggregate
from write_side.domain.errors import StaleAggregate
from write_side.domain.group import Group
from write_side.domain.profile import Profile
from write_side.ports import CommandContext, Outcome

M = TypeVar("M")

_COLUMNS = [column for column in event_log.columns if column.name != "position"]
_LISTED = ", ".join(column.name for column in _COLUMNS)
_IS_STORED = " ".join(
    f"when '{kind.kind}' then exists"
    f" (select from {TABLES[kind].name} o where o.id = r.aggregate_id and o.version >= r.version)"
    for kind in (Account, Profile, Group)
)
# Ordered, so that the positions of one command follow the order in which its events happened; and only for what was
# stored, so that a value that is taken draws none. A membership may be gone by then: it is compared afterwards.
_APPEND = f"""
    insert into event_log ({_LISTED}) select {_LISTED} from {recordset(_COLUMNS, "n integer")}
     where case aggregate {_IS_STORED} else true end order by n
    on conflict (aggregate, aggregate_id, version) do nothing
    returning aggregate, aggregate_id, version, position"""  # noqa: S608
_LAST = """
    select aggregate, aggregate_id, version, position from event_log join json_to_recordset(%s::json)
           as r(aggregate text, aggregate_id uuid, version integer) using (aggregate, aggregate_id, version)"""

Change = tuple[str, type[Aggregate]]
"""What is done to rows of a kind: `delete`, `insert` or `update`."""

_ORDER = [(what, kind) for what in ("delete", "insert", "update") for kind in ROWS]


class Writes(Generic[M]):
    """The changes of some commands, none of which changes what another one relies on."""

    def __init__(self, members: Mapping[M, tuple[CommandContext, CommitRequest]]) -> None:
        self._members = members
        self._rows: dict[Change, dict[UUID, Mapping[str, Any]]] = defaultdict(dict)
        for _, commit in members.values():
            for aggregate in commit.changed:
                self._add(aggregate, commit)
        self._changes = [change for change in _ORDER if change in self._rows]
        self._positions: dict[tuple[str, UUID, int], int] = {}

    def _add(self, aggregate: Aggregate, commit: CommitRequest) -> None:
        row = ROWS[type(aggregate)].row(aggregate, stored=aggregate.stored_version)
        self._rows[_change_of(aggregate, commit), type(aggregate)][aggregate.id] = row

    def statements(self) -> Iterator[Statement]:
        """Yield statements whose rows `take` understands."""
        for what, kind in self._changes:
            yield getattr(ROWS[kind], what), (as_json(list(self._rows[what, kind].values())),)
        if events := list(self._events()):
            yield _APPEND, (as_json([{**row, "n": n} for n, row in enumerate(events)]),)
        if unchanged := [commit.of for _, commit in self._members.values() if not commit.changed]:
            rows = [{"aggregate": of.kind, "aggregate_id": of.id, "version": of.version} for of in unchanged]
            yield _LAST, (as_json(rows),)

    def _events(self) -> Iterator[Mapping[str, Any]]:
        for context, commit in self._members.values():
            for aggregate in commit.touched:
                yield from event_rows(aggregate, context)

    def take(self, results: Sequence[Sequence[Row]]) -> None:
        """Take up what the statements returned."""
        self._stored = {change: {row[0] for row in rows} for change, rows in zip(self._changes, results, strict=False)}
        for rows in results[len(self._changes) :]:
            self._positions.update({tuple(key): position for *key, position in rows})

    def refused(self) -> Mapping[M, Aggregate]:
        """Return the members whose rows or events were not all stored, each with the first aggregate it happened to."""
        return {
            member: failed
            for member, (_, commit) in self._members.items()
            if (failed := next((each for each in commit.changed if not self._is_stored(each, commit)), None))
        }

    def outcomes(self) -> Mapping[M, Outcome]:
        """Return what each command did."""
        return {
            member: Outcome(commit.of.id, commit.of.version, max(map(self._positions.__getitem__, _events(commit))))
            for member, (_, commit) in self._members.items()
        }

    def _is_stored(self, aggregate: Aggregate, commit: CommitRequest) -> bool:
        stored = self._stored[_change_of(aggregate, commit), type(aggregate)]
        events = ((aggregate.kind, aggregate.id, pending.version) for pending in aggregate.pending)
        return aggregate.id in stored and all(event in self._positions for event in events)


def _events(commit: CommitRequest) -> list[tuple[str, UUID, int]]:
    appended = [(each.kind, each.id, pending.version) for each in commit.touched for pending in each.pending]
    return appended or [(commit.of.kind, commit.of.id, commit.of.version)]


def _change_of(aggregate: Aggregate, commit: CommitRequest) -> str:
    if aggregate in commit.removed:
        return "delete"
    return "update" if aggregate.stored_version else "insert"


def clashes(refused: Iterable[Aggregate]) -> Iterator[Statement]:
    """Yield what asks, once the writes are undone, what each of the aggregates is in conflict with."""
    for aggregate in refused:
        rows = ROWS[type(aggregate)]
        yield rows.clashes, (as_json([rows.row(aggregate, stored=aggregate.stored_version)]),)


def refusal(aggregate: Aggregate, rows: Sequence[Row]) -> Exception:
    """Say why an aggregate was not stored, by what `clashes` returned for it."""
    [[_, constraint]] = rows
    # Without a refusal, another attempt may store it: its version is old, or what it was in conflict with is gone.
    return (constraint and refusal_by(constraint)) or StaleAggregate(aggregate.id)
