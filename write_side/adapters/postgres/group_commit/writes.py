"""What several commands store, in statements of all rows at once."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Generic, TypeVar

from shared.postgres.pipeline import Row, Statement
from write_side.adapters.postgres.command_log import CommandLog, Key, key_of, last_event
from write_side.adapters.postgres.connections.failures import refusal_by
from write_side.adapters.postgres.group_commit.requests import ROWS, Change, CommitRequest
from write_side.adapters.postgres.mapping import TABLES
from write_side.adapters.postgres.rows import as_json, recordset
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
    returning aggregate, aggregate_id, version"""  # noqa: S608

_ORDER = [(what, kind) for what in ("delete", "insert", "update") for kind in ROWS]


class Writes(Generic[M]):
    """What some commands store, none of which changes what another one relies on."""

    def __init__(self, members: Mapping[M, tuple[CommandContext, CommitRequest]], command_log: CommandLog) -> None:
        self._members = members
        self._command_log = command_log
        self._rows: dict[tuple[str, type[Aggregate]], list[Mapping[str, Any]]] = defaultdict(list)
        for _, commit in members.values():
            for change in commit.changes:
                self._rows[change.what, change.kind].append(change.row)
        self._kinds = [each for each in _ORDER if each in self._rows]

    def statements(self) -> Iterator[Statement]:
        """Yield statements whose rows `take` understands: rows first, then the events, then the outcomes."""
        for what, kind in self._kinds:
            yield getattr(ROWS[kind], what), (as_json(self._rows[what, kind]),)
        yield _APPEND, (as_json([{**row, "n": n} for n, row in enumerate(self._events())]),)
        yield self._command_log.fill(
            (context, commit.of, last_event(commit.of, [change.aggregate for change in commit.changes]))
            for context, commit in self._members.values()
        )

    def _events(self) -> Iterator[Mapping[str, Any]]:
        for context, commit in self._members.values():
            for change in commit.changes:
                yield from event_rows(change.aggregate, context)

    def take(self, results: Sequence[Sequence[Row]]) -> None:
        """Take up what the statements returned."""
        *rows, appended, filled = results
        self._stored = {each: {row[0] for row in stored} for each, stored in zip(self._kinds, rows, strict=True)}
        self._appended = set(map(tuple, appended))
        self._positions: dict[Key, int] = {(subject, key): position for subject, key, position in filled}

    def refused(self) -> Mapping[M, Change]:
        """Return the members whose rows or events were not all stored, each with the first change it happened to."""
        return {
            member: failed
            for member, (_, commit) in self._members.items()
            if (failed := next((each for each in commit.changes if not self._is_stored(each)), None))
        }

    def outcomes(self) -> Mapping[M, Outcome]:
        """Return what each command did."""
        return {
            member: Outcome(commit.of.id, commit.of.version, self._positions[key_of(context)])
            for member, (context, commit) in self._members.items()
        }

    def _is_stored(self, change: Change) -> bool:
        aggregate = change.aggregate
        events = ((aggregate.kind, aggregate.id, pending.version) for pending in aggregate.pending)
        return aggregate.id in self._stored[change.what, change.kind] and self._appended.issuperset(events)


def clashes(refused: Iterable[Change]) -> Iterator[Statement]:
    """Yield what asks, once the writes are undone, what each of the changes is in conflict with."""
    for change in refused:
        yield ROWS[change.kind].clashes, (as_json([change.row]),)


def refusal(change: Change, rows: Sequence[Row]) -> Exception | None:
    """
    Say why a change was not stored, by what `clashes` returned for it; None: another transaction is in its way.

    Of an aggregate that others have changed meanwhile a conflict says nothing: what was to be stored may not be what
    the command would store now.
    """
    [[constraint, is_same]] = rows
    stale = StaleAggregate(change.aggregate.id)
    if constraint and (is_same or not change.aggregate.stored_version):
        return refusal_by(constraint) or stale
    return None if is_same else stale
