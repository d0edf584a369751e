"""The figures of the last hour: a point a minute, kept over a restart, and drawn with scale and values."""

from datetime import timedelta

import pytest

from projector.adapters.memory.timeline import MemoryTimelineStore
from projector.api.page.sparklines import HEIGHT, sparkline
from projector.monitoring.answers import ProjectionStatus, Status
from projector.monitoring.timeline import MINUTES, LastHour, Timeline
from shared.errors import Unavailable
from tests.support.histories import DAWN


def status(head, *, checkpoint=None, lag=0):
    told = ProjectionStatus(
        name="profiles", version=1, state="running", error=None, events_per_second=0.0, checkpoint=checkpoint or head
    )
    told.lag_events, told.lag_seconds = lag, lag / 10
    return Status(head=head, projections=[told])


def after(minutes=0, seconds=0):
    return DAWN + timedelta(minutes=minutes, seconds=seconds)


async def test_a_point_says_how_far_behind_it_was_at_most_and_how_fast_it_went():
    """Whatever came of the minute in between."""
    hour = LastHour(MemoryTimelineStore())

    for at, head, lag in ((after(0), 100, 0), (after(0, 30), 160, 50), (after(0, 50), 200, 2), (after(1, 50), 320, 0)):
        hour.note(status(head, lag=lag), at)
        await hour.keep()

    series = hour.timeline.projections["profiles"]
    assert (series.lag_events, series.lag_seconds) == ([50, 0], [5.0, 0.0])
    assert series.events_per_second == hour.timeline.appended_per_second == [2.0, 2.0]


async def test_the_first_figures_are_seen_at_once():
    """A page that is opened in a new home has charts; what comes after them is seen once it was kept."""
    hour = LastHour(MemoryTimelineStore())

    seen = []
    for second, head in ((0, 100), (1, 110), (2, 180)):
        hour.note(status(head), after(0, second))
        seen.append(hour.timeline.appended_per_second)

    assert seen == [[None], [10.0], [10.0]]


async def test_a_restart_goes_on_where_the_last_process_ended():
    """Also within the same minute, of which nothing is lost."""
    store = MemoryTimelineStore()
    before, after_restart = LastHour(store), LastHour(store)
    for minute in (0, 1):
        before.note(status(100 + minute * 60, lag=9), after(minute))
        await before.keep()

    after_restart.note(status(220), after(1, 40))
    await after_restart.keep()

    series = after_restart.timeline.projections["profiles"]
    assert series.lag_events == [9, 9]
    assert series.events_per_second == [None, 1.2]


async def test_a_minute_is_kept_as_it_ended():
    """Also what came of it after it was last kept."""
    store = MemoryTimelineStore()
    hour = LastHour(store)
    for at in (after(0, 10), after(0, 40), after(0, 59), after(1, 9)):
        hour.note(status(100), at)
        if at.second in {40, 9}:
            await hour.keep()

    assert sorted(each.at for each in await store.read()) == [after(0, 59), after(1, 9)]


async def test_nothing_is_older_than_an_hour():
    """Neither in memory nor in the store, which a projector that starts reads whole."""
    store = MemoryTimelineStore()
    hour = LastHour(store)
    for minute in range(MINUTES + 5):
        hour.note(status(1_000 + minute if minute else 0), after(minute))
        await hour.keep()
    later = LastHour(store)
    later.note(status(99), after(MINUTES + 40))
    await later.keep()

    assert hour.timeline.appended_per_second[0] == pytest.approx(1 / 60, abs=0.005)
    assert len(hour.timeline.at) == len(await store.read()) == MINUTES
    assert len(later.timeline.at) == 25


async def test_what_is_not_kept_is_seen_and_what_is_unknown_is_null():
    """While Redis is away; what others have kept is read once it is back."""
    store = MemoryTimelineStore()
    other = LastHour(store)
    other.note(status(50), after(0))
    await other.keep()
    store.available = False
    hour = LastHour(store)

    hour.note(Status(head=None, projections=status(60).projections), after(1))
    with pytest.raises(Unavailable):
        await hour.keep()
    seen = hour.timeline
    store.available = True
    await hour.keep()

    assert seen.appended_per_second == [None]
    assert len(hour.timeline.at) == 2


def test_a_chart_has_a_bar_a_minute_with_its_value():
    """The highest stands for the scale; a minute of which nothing is known is a gap."""
    timeline = Timeline([round(after(minute).timestamp() * 1_000) for minute in (0, 1, 2, 4)])

    drawn = sparkline("lag", "s", timeline, [0, 40, None, 2.5])

    assert [(each.x, each.title) for each in drawn.bars] == [
        (55, "08:00 UTC: 0 s"),
        (56, "08:01 UTC: 40 s"),
        (59, "08:04 UTC: 2.5 s"),
    ]
    assert [each.y for each in drawn.bars] == [HEIGHT - 0.3, 1, HEIGHT - 1.2]
    assert drawn.most == "40"
    assert drawn.label == "lag: 2.5 s in the last minute, 40 s at most within an hour"
    assert drawn.path.startswith("M55 20V19.7h.8V20z")


def test_a_chart_of_nothing_says_so():
    drawn = sparkline("lag", "s", Timeline(), [])

    assert (drawn.label, drawn.path) == ("lag: not measured yet, 0 s at most within an hour", "")
