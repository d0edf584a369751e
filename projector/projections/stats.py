"""The directory in numbers: one document, counted from events alone."""

from collections.abc import Collection, Iterable, Sequence
from typing import Any, TypeVar
from uuid import UUID

import msgspec

from projector.folding.projection import Documents, Entry, FanOut, Fetched, Key, Kind
from projector.projections.times import moment_of
from shared.event_log import RecordedEvent
from shared.events import (
    AccountErased,
    Event,
    GroupDeleted,
    Redacted,
    type_of,
)
from shared.read_model.ordering import IndexRow
from shared.read_model.records import DayCount, StatsRecord


class Suspension(msgspec.Struct, frozen=True):
    """Whether the suspension of an account lasts; what was so when the account was closed stays so."""

    lasts: bool


STATS = Kind("stats", StatsRecord)
DIRECTORY = "directory"
"""The id of the one document of its kind."""
SUSPENSION = Kind("suspension", Suspension)
"""By account, of those that were ever suspended."""

Counts = TypeVar("Counts", bound=msgspec.Struct)


class Stats:
    """
    Counts accounts by status, groups, memberships and registrations.

    Most events tell what an account was before: who is suspended was active, who is reinstated was suspended. Only a
    closing leaves it open, and asks for the suspension. After a crash that may be ahead of the numbers, and still
    gives the right answer: nothing changes it after the closing.

    What happened is counted by its type, so that it does not matter whether the event was redacted since. That a person
    was registered stays so after an erasure.
    """

    name = "stats"
    version = 1
    waits_to_read = False
    kinds: Sequence[Kind[Any]] = (STATS, SUSPENSION)
    indexes: Collection[str] = ()

    def needs(self, recorded: RecordedEvent, fetched: Fetched) -> Iterable[Key]:  # noqa: ARG002 - events name all
        match _what(recorded):
            case "account-registered" | "group-created" | "group-deleted" | "member-added" | "member-removed":
                return (STATS.key(DIRECTORY),)
            case "account-suspended" | "account-reinstated" | "account-closed" | "account-erased":
                return (STATS.key(DIRECTORY), SUSPENSION.key(recorded.aggregate_id))
            case _:
                return ()

    def reads(self, recorded: RecordedEvent) -> Collection[Key]:
        """Nothing changes whether an account was suspended once it is closed."""
        return (SUSPENSION.key(recorded.aggregate_id),) if _what(recorded) == "account-closed" else ()

    def project(self, recorded: RecordedEvent, documents: Documents) -> None:
        id_ = recorded.aggregate_id
        match _what(recorded):
            case "account-registered":
                _count_accounts(documents, active=1)
                _count_registration(documents, day=moment_of(recorded).date().isoformat())
            case "account-suspended":
                documents.save(SUSPENSION, id_, Suspension(lasts=True))
                _count_accounts(documents, active=-1, suspended=1)
            case "account-reinstated":
                documents.save(SUSPENSION, id_, Suspension(lasts=False))
                _count_accounts(documents, suspended=-1, active=1)
            case "account-closed":
                _count_accounts(documents, closed=1, **{_status_at_closing(id_, documents): -1})
            case "group-created":
                _count(documents, groups=1)
            case "member-added":
                _count(documents, memberships=1)
            case "member-removed":
                _count(documents, memberships=-1)
        match recorded.event:
            case GroupDeleted(members=ended):
                _count(documents, groups=-1, memberships=-ended)
            case AccountErased(status=status):
                documents.forget(SUSPENSION, id_)
                _count_accounts(documents, **{status: -1})

    def fan_out(self, event: Event) -> FanOut | None:
        """No event touches more than two documents."""

    def index(self, key: Key, record: StatsRecord | Suspension) -> Iterable[Entry]:  # noqa: ARG002 - found by id
        return ()

    def index_row(self, record: StatsRecord | Suspension) -> IndexRow | None:
        """It stands in no list."""

    def public(self, record: StatsRecord | Suspension) -> msgspec.Struct | None:
        """Numbers name nobody, so there is nothing to leave out: everybody is served the full document."""


def _what(recorded: RecordedEvent) -> str:
    """The type of what happened, also where nothing else is left of it."""
    match recorded.event:
        case Redacted(was=was):
            return was
        case Event() as event:
            return type_of(event)
        case unknown:
            return unknown.type


def _status_at_closing(account_id: UUID, documents: Documents) -> str:
    suspension = documents.find(SUSPENSION, account_id)
    return "suspended" if suspension and suspension.lasts else "active"


def _stats(documents: Documents) -> StatsRecord:
    return documents.find(STATS, DIRECTORY) or StatsRecord()


def _save(documents: Documents, stats: StatsRecord) -> None:
    documents.save(STATS, DIRECTORY, stats)


def _count(documents: Documents, **more: int) -> None:
    _save(documents, _sum(_stats(documents), more))


def _count_accounts(documents: Documents, **more: int) -> None:
    stats = _stats(documents)
    _save(documents, msgspec.structs.replace(stats, accounts=_sum(stats.accounts, more)))


def _count_registration(documents: Documents, *, day: str) -> None:
    stats = _stats(documents)
    _save(documents, msgspec.structs.replace(stats, registrations=_with_one_more(stats.registrations, day)))


def _sum(counts: Counts, more: dict[str, int]) -> Counts:
    return msgspec.structs.replace(counts, **{name: getattr(counts, name) + number for name, number in more.items()})


def _with_one_more(days: tuple[DayCount, ...], day: str) -> tuple[DayCount, ...]:
    """Nearly always it is the last day's; only a clock that was set back names an earlier one."""
    if days and days[-1].day == day:
        return (*days[:-1], DayCount(day, days[-1].count + 1))
    counts = {each.day: each.count for each in days}
    counts[day] = counts.get(day, 0) + 1
    return tuple(DayCount(*each) for each in sorted(counts.items()))
