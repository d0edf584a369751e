"""
The directory in numbers: one document, counted from events alone.

Most events say what an account was before: what is suspended was active, what is reinstated was suspended. Only a
closing leaves it open, and asks for the suspension. After a crash that may be ahead of the numbers, and still gives the
right answer: nothing changes it after the closing.

What happened is counted although the event was redacted since: that an account was registered stays so when it is
erased.
"""

from collections.abc import Callable
from typing import TypeAlias, TypeVar
from uuid import UUID

import msgspec

from projector.declaring.documents import Documents, Key, Kind
from projector.declaring.plan import Touches
from projector.declaring.projection import Projection, React, timestamp_of
from shared import events
from shared.event_log import RecordedEvent
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
Keys: TypeAlias = tuple[Key, ...]

stats = Projection("stats", version=1, documents=(STATS, SUSPENSION))
stats.open(STATS)


def directory(*_: object) -> Keys:
    return (STATS.key(DIRECTORY),)


def suspension(_: events.Event, recorded: RecordedEvent) -> Keys:
    return (SUSPENSION.key(recorded.aggregate_id),)


def directory_and_suspension(event: events.Event, recorded: RecordedEvent) -> Keys:
    return directory() + suspension(event, recorded)


def counted(
    event: type[events.Event], *, touches: Touches[events.Event], reads: Touches[events.Event] | None = None
) -> Callable[[React[events.Event]], React[events.Event]]:
    """React to an event, and to what is left of it once the person was erased."""

    def register(react: React[events.Event]) -> React[events.Event]:
        stats.on(event, touches=touches, reads=reads)(react)
        stats.on_redacted(event, touches=touches, reads=reads)(react)
        return react

    return register


@counted(events.AccountRegistered, touches=directory)
def count_registration(_: events.Event, recorded: RecordedEvent, documents: Documents) -> None:
    _count_accounts(documents, active=1)
    numbers, day = _numbers(documents), timestamp_of(recorded).date().isoformat()
    _save(documents, msgspec.structs.replace(numbers, registrations=_with_one_more(numbers.registrations, day)))


@counted(events.AccountSuspended, touches=directory_and_suspension)
def suspend(_: events.Event, recorded: RecordedEvent, documents: Documents) -> None:
    documents.save(SUSPENSION, recorded.aggregate_id, Suspension(lasts=True))
    _count_accounts(documents, active=-1, suspended=1)


@counted(events.AccountReinstated, touches=directory_and_suspension)
def reinstate(_: events.Event, recorded: RecordedEvent, documents: Documents) -> None:
    documents.save(SUSPENSION, recorded.aggregate_id, Suspension(lasts=False))
    _count_accounts(documents, suspended=-1, active=1)


@counted(events.AccountClosed, touches=directory, reads=suspension)
def close(_: events.Event, recorded: RecordedEvent, documents: Documents) -> None:
    _count_accounts(documents, closed=1, **{_status_at_closing(recorded.aggregate_id, documents): -1})


@stats.on(events.AccountErased, touches=directory_and_suspension)
def erase(event: events.AccountErased, recorded: RecordedEvent, documents: Documents) -> None:
    documents.forget(SUSPENSION, recorded.aggregate_id)
    _count_accounts(documents, **{event.status: -1})


@stats.on(events.GroupDeleted, touches=directory)
def count_group_and_members_that_go(event: events.GroupDeleted, _: RecordedEvent, documents: Documents) -> None:
    _count(documents, groups=-1, memberships=-event.members)


def _counting(**more: int) -> React[events.Event]:
    return lambda _, __, documents: _count(documents, **more)


stats.on(events.GroupCreated, touches=directory)(_counting(groups=1))
counted(events.MemberAdded, touches=directory)(_counting(memberships=1))
counted(events.MemberRemoved, touches=directory)(_counting(memberships=-1))


def _status_at_closing(account_id: UUID, documents: Documents) -> str:
    found = documents.find(SUSPENSION, account_id)
    return "suspended" if found and found.lasts else "active"


def _numbers(documents: Documents) -> StatsRecord:
    return documents.find(STATS, DIRECTORY) or StatsRecord()


def _save(documents: Documents, numbers: StatsRecord) -> None:
    documents.save(STATS, DIRECTORY, numbers)


def _count(documents: Documents, **more: int) -> None:
    _save(documents, _sum(_numbers(documents), more))


def _count_accounts(documents: Documents, **more: int) -> None:
    numbers = _numbers(documents)
    _save(documents, msgspec.structs.replace(numbers, accounts=_sum(numbers.accounts, more)))


def _sum(counts: Counts, more: dict[str, int]) -> Counts:
    return msgspec.structs.replace(counts, **{name: getattr(counts, name) + number for name, number in more.items()})


def _with_one_more(days: tuple[DayCount, ...], day: str) -> tuple[DayCount, ...]:
    """Nearly always it is the last day's; only a clock that was set back names an earlier one."""
    if days and days[-1].day == day:
        return (*days[:-1], DayCount(day, days[-1].count + 1))
    counts = {each.day: each.count for each in days}
    counts[day] = counts.get(day, 0) + 1
    return tuple(DayCount(*each) for each in sorted(counts.items()))
