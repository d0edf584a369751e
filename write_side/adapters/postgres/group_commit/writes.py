"""What several commands store, in statements of all rows at once."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Generic, TypeVar

from shared.postgres.pipeline import Row, Statement
from write_side.adapters.postgres.command_log import FILL, CommandLog, Key, key_of, last_event
from write_side.adapters.postgres.connections.failures import refusal_by
from write_side.adapters.postgres.group_commit.requests import ROWS, Change, CommitRequest
from write_side.adapters.postgres.mapping import TABLES
from write_side.adapters.postgres.rows import as_json, recordset
from write_side.adapters.postgres.tables import event_log
from write_side.adapters.postgres.unit_of_work import event_rows
from write_side.domain.aggregate import Aggregate
from write_side.domain.errors import StaleAggregate
from write_side.ports import CommandContext, Outcome

M = TypeVar("M")

_COLUMNS = [column for column in event_log.columns if column.name != "position"]
_LISTED = ", ".join(column.name for column in _COLUMNS)
_IS_STORED = " ".join(
    f"when '{kind.kind}' then exists (select from {TABLES[kind].name} o"
    " where o.id = r.aggregate_id and (o.version >= r.version or not r.stays)) = r.stays"
    for kind in ROWS
)
_APPENDED = "muster.appended"
# Ordered, so that the positions of one command follow the order in which its events happened; and only for what was
# stored, so that a value that is taken draws none.
_APPEND = f"""
    with appended as (
        insert into event_log ({_LISTED}) select {_LISTED} from {recordset(_COLUMNS, "n integer", "stays boolean")}
         where case aggregate {_IS_STORED} end order by n
        on conflict (aggregate, aggregate_id, version) do nothing
        returning aggregate, aggregate_id, version)
    select *, (select set_config('{_APPENDED}', count(*)::text, true) from appended) from appended"""  # noqa: S608
# Divides by zero unless all outcomes are kept, and as many events were appended.
_FILL_ALL = f"""
    with filled as ({FILL})
    select filled.*, 1 / ((select count(*) from filled) = %s
                          and coalesce(current_setting('{_APPENDED}', true), '') = %s)::integer
      from (values (1)) as one left join filled on true"""  # noqa: S608

_ORDER = [(what, kind) for what in ("delete", "insert", "update") for kind in ROWS]


class Writes(Generic[M]):
    """What some commands store, none of which changes what another one relies on."""

    def __init__(self, members: Mapping[M, tuple[CommandContext, CommitRequest]], command_log: CommandLog) -> None:
        self._members = members
        self._command_log = command_log
        self._rows: dict[tuple[str, type[Aggregate]], list[Mapping[str, Any]]] = defaultdict(list)
        self.events: list[Mapping[str, Any]] = []
        for context, commit in members.values():
            for change in commit.changes:
                self._rows[change.what, change.kind].append(change.row)
                for row in event_rows(change.aggregate, context):
                    self.events.append({**row, "n": len(self.events), "stays": change.what != "delete"})

    def statements(self) -> Iterator[Statement]:
        """Yield statements for `PipelinedTransaction.store`: rows first, then the events, then the outcomes."""
        for what, kind in (each for each in _ORDER if each in self._rows):
            yield getattr(ROWS[kind], what), (as_json(self._rows[what, kind]),)
        if self.events:
            yield _APPEND, (as_json(self.events),)
        _, outcomes = self._command_log.fill(
            (context, commit.of, last_event(commit.of, [change.aggregate for change in commit.changes]))
            for context, commit in self._members.values()
        )
        yield _FILL_ALL, (*outcomes, len(self._members), str(len(self.events) or ""))

    def take(self, results: Sequence[Sequence[Row]], *, is_stored: bool) -> None:
        """Take up what the statements returned; the last of them did not, unless all is stored."""
        *_, appended, filled = [(), *results] if is_stored else [(), *results, ()]
        self._appended = {tuple(row[:3]) for row in appended}
        self._positions: dict[Key, int] = {(subject, key): position for subject, key, position, _ in filled}

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
        return self._appended.issuperset((aggregate.kind, aggregate.id, each.version) for each in aggregate.pending)


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
