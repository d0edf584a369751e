"""What each event makes of the numbers."""

from collections import Counter
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given as for_all
from msgspec.structs import replace

from projector.projections.stats import DIRECTORY, STATS, SUSPENSION, Suspension, stats
from shared.events import (
    AccountClosed,
    AccountRegistered,
    AccountReinstated,
    AccountSuspended,
    Event,
    GroupDeleted,
    MemberRemoved,
    Redacted,
)
from shared.read_model.records import AccountCounts, DayCount, StatsRecord
from tests.support.given import Given
from tests.support.histories import History
from tests.unit.projector.random_histories import group_histories, histories

STATUS_AFTER = {
    AccountRegistered: "active",
    AccountSuspended: "suspended",
    AccountReinstated: "active",
    AccountClosed: "closed",
}


@pytest.fixture
def history():
    """Three people."""
    history = History()
    for handle in ("ada", "bob", "cyd"):
        history.register(handle)
    return history


@pytest.fixture
def ada(history):
    return next(iter(history.handles))


def given(history):
    return Given(stats, history.events)


def test_nothing_is_counted_before_there_is_anything():
    assert Given(stats).all(STATS) == {}


def test_an_account_is_counted_under_its_status(history, ada):
    """Once, whatever it went through; who is closed was active unless suspended."""
    seen = []
    for deed in (history.suspend, history.reinstate, history.suspend, history.reinstate, history.close):
        deed(ada)
        seen.append(given(history).all(STATS)[DIRECTORY].accounts)
    history.suspend(bob := list(history.handles)[1])
    history.close(bob)

    active, suspended, closed = AccountCounts(active=3), AccountCounts(2, 1), AccountCounts(2, 0, 1)
    assert seen == [suspended, active, suspended, active, closed]
    assert given(history).all(STATS)[DIRECTORY].accounts == AccountCounts(1, 0, 2)


def test_a_suspension_that_is_ahead_of_the_numbers_does_no_harm(history, ada):
    """After a crash the closing may be folded again: what the account was before can still be told."""
    history.suspend(ada)
    history.close(ada)
    before = Given(stats, history.events[:-1])
    after = given(history)

    assert before.all(SUSPENSION) == after.all(SUSPENSION) == {str(ada): Suspension(lasts=True)}


def test_registrations_are_counted_by_day_in_utc():
    """Wherever the clock stands that told the time; and in order, even if it was set back."""
    history = History()
    for handle in ("ada", "bob", "cyd", "dan"):
        history.register(handle)
    tokyo = timezone(timedelta(hours=9))
    late, early = datetime(2026, 11, 26, 9, tzinfo=tokyo), datetime(2026, 11, 26, 8, 59, tzinfo=tokyo)
    times = [late, early, late, early]
    events = [replace(each, occurred_at=at) for each, at in zip(history.events[::2], times, strict=True)]

    registrations = Given(stats, events).all(STATS)[DIRECTORY].registrations

    assert registrations == (DayCount("2026-11-25", 2), DayCount("2026-11-26", 2))


def test_numbers_stand_in_no_list(history):
    folded = given(history)

    assert folded.entries(STATS, DIRECTORY) == set()


def last_of(log, aggregate, kinds=Event):
    """The last event of each aggregate of a kind, but for what is redacted."""
    return {
        each.aggregate_id: each.event
        for each in log
        if each.aggregate == aggregate and isinstance(each.event, kinds) and not isinstance(each.event, Redacted)
    }


@for_all(log=histories() | group_histories())
def test_numbers_are_what_all_events_together_tell(log):
    """Counted at the end, from the last word on each account, each group and each membership."""
    accounts = last_of(log, "account", tuple(STATUS_AFTER))
    deleted = {id_ for id_, last in last_of(log, "group").items() if isinstance(last, GroupDeleted)}
    left = [each for each in last_of(log, "membership").values() if not isinstance(each, MemberRemoved)]

    expected = StatsRecord(
        accounts=AccountCounts(**Counter(STATUS_AFTER[type(last)] for last in accounts.values())),
        groups=len(last_of(log, "group").keys() - deleted),
        memberships=sum(1 for each in left if each.group_id not in deleted),
        registrations=(
            DayCount("2026-11-25", len({each.aggregate_id for each in log if each.aggregate == "account"})),
        ),
    )
    assert expected == Given(stats, log).all(STATS)[DIRECTORY]
