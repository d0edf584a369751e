"""The directory in numbers: one document, counted from events alone."""

from collections.abc import Iterable, Sequence
from datetime import UTC
from typing import Any
from uuid import UUID

import msgspec

from projector.projection import Documents, Entry, FanOut, Fetched, Key, Kind
from shared.event_log import RecordedEvent
from shared.events import (
    AccountClosed,
    AccountRegistered,
    AccountReinstated,
    AccountSuspended,
    Event,
    GroupCreated,
    GroupDeleted,
    MemberAdded,
    MemberRemoved,
)
from shared.listing import Sheet
from shared.records import AccountCounts, DayCount, StatsRecord


class AccountStatus(msgspec.Struct, frozen=True):
    """As what an account is counted; events tell what it becomes, not what it was."""

    status: str


STATS = Kind("stats", StatsRecord)
DIRECTORY = "directory"
"""The id of the one document of its kind."""
ACCOUNT = Kind("account", AccountStatus)


class Stats:
    """
    Counts accounts by status, groups, memberships and registrations.

    The counts are written before the statuses they rely on: whichever part of a commit a crash leaves, a status is only
    ahead of the checkpoint if the counts are so too, and then the event is not counted again.
    """

    name = "stats"
    version = 1
    kinds: Sequence[Kind[Any]] = (STATS, ACCOUNT)

    def needs(self, recorded: RecordedEvent, fetched: Fetched) -> Iterable[Key]:  # noqa: ARG002 - every event names all it touches
        match event := recorded.event:
            case AccountRegistered() | AccountSuspended() | AccountReinstated() | AccountClosed():
                return (STATS.key(DIRECTORY), ACCOUNT.key(event.account_id))
            case GroupCreated() | GroupDeleted() | MemberAdded() | MemberRemoved():
                return (STATS.key(DIRECTORY),)
            case _:
                return ()

    def project(self, recorded: RecordedEvent, documents: Documents) -> None:
        match recorded.event:
            case AccountRegistered() as event:
                _count(documents, registrations=_with_one_more(documents, recorded))
                _become("active", event.account_id, documents)
            case AccountSuspended() as event:
                _become("suspended", event.account_id, documents)
            case AccountReinstated() as event:
                _become("active", event.account_id, documents)
            case AccountClosed() as event:
                _become("closed", event.account_id, documents)
            case GroupCreated():
                _count(documents, groups=_stats(documents).groups + 1)
            case GroupDeleted(members=ended):
                stats = _stats(documents)
                _count(documents, groups=stats.groups - 1, memberships=stats.memberships - ended)
            case MemberAdded():
                _count(documents, memberships=_stats(documents).memberships + 1)
            case MemberRemoved():
                _count(documents, memberships=_stats(documents).memberships - 1)

    def fan_out(self, event: Event) -> FanOut | None:
        """No event touches more than two documents."""

    def index(self, key: Key, record: Any) -> Iterable[Entry]:  # noqa: ARG002 - it is found by its id alone
        return ()

    def sheet(self, record: Any) -> Sheet | None:
        """It stands in no list."""

    def public(self, record: Any) -> msgspec.Struct | None:
        """Numbers name nobody, so there is nothing to leave out: everybody is served the full document."""


def _stats(documents: Documents) -> StatsRecord:
    return documents.find(STATS, DIRECTORY) or StatsRecord()


def _count(documents: Documents, **counts: Any) -> None:
    documents.save(STATS, DIRECTORY, msgspec.structs.replace(_stats(documents), **counts))


def _become(status: str, account_id: UUID, documents: Documents) -> None:
    was = documents.find(ACCOUNT, account_id)
    counts = msgspec.structs.asdict(_stats(documents).accounts)
    counts[status] += 1
    if was:
        counts[was.status] -= 1
    _count(documents, accounts=AccountCounts(**counts))
    documents.save(ACCOUNT, account_id, AccountStatus(status))


def _with_one_more(documents: Documents, recorded: RecordedEvent) -> tuple[DayCount, ...]:
    """The registrations by day, with one on the day of the event; a clock that was set back may name an earlier one."""
    day = recorded.occurred_at.astimezone(UTC).date().isoformat()
    days = _stats(documents).registrations
    if days and days[-1].day == day:
        return (*days[:-1], DayCount(day, days[-1].count + 1))
    counts = {each.day: each.count for each in days}
    counts[day] = counts.get(day, 0) + 1
    return tuple(DayCount(*each) for each in sorted(counts.items()))
