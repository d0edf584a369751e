"""One session with the event log for all that follow it."""

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from shared.errors import Unavailable
from shared.event_log import LogIdentity
from shared.event_log.tap import EventTap, TapLimits
from shared.events import Redacted
from shared.runtime.retry import Backoff, RetryPolicy, poll
from tests.support.histories import History
from tests.support.patience import SECONDS
from tests.support.reading import CountedMemoryLog, Reading

SELDOM, OFTEN = 60.0, 0.001


@pytest.fixture
def log():
    return CountedMemoryLog()


@pytest.fixture
def history():
    return History()


def tap_on(log, *, every=SELDOM, **limits):
    return EventTap(log, idle=lambda: Backoff(poll(every)), limits=TapLimits(**limits))


def append(log, history, count=1):
    """Register so many people, of two events each, and notify."""
    for _ in range(count):
        history.register(f"h{len(history.handles)}")
    log.append(each for each in history.events if each.position >= log.next_position)
    log.notify()


@asynccontextmanager
async def readings(tap, *limits):
    async with AsyncExitStack() as open_ones:
        yield [Reading(await open_ones.enter_async_context(tap.connect()), limit=limit) for limit in limits]


async def test_what_is_new_is_read_once_for_all(log, history):
    async with readings(tap_on(log), *[100] * 5) as all_:
        for each in all_:
            await each.once()
        began = log.counted.reads
        for nth in range(1, 11):
            following = [asyncio.create_task(each.reach(2 * nth)) for each in all_]
            await asyncio.sleep(0)
            append(log, history)
            await asyncio.gather(*following)

    assert all(each.events == history.events for each in all_)
    assert log.counted.sessions == 1
    assert log.counted.given == len(history.events)
    assert log.counted.reads - began == 10


async def test_the_head_is_that_of_the_log_whatever_was_read(log, history):
    """In the session of those who follow."""
    tap = tap_on(log)
    async with readings(tap, 100) as (one,):
        await one.once()
        append(log, history)
        async with tap.connect() as other:
            assert await other.head() == 2

    assert (log.counted.sessions, one.position) == (1, 0)


async def test_an_event_is_decoded_once(log, history):
    async with readings(tap_on(log), 100, 100) as (one, other):
        await one.once()
        await other.once()
        append(log, history)
        await one.reach(2)
        await other.reach(2)

    assert all(mine is theirs for mine, theirs in zip(one.events, other.events, strict=True))


async def test_what_is_new_is_read_while_what_was_before_is_dealt_with(log, history):
    """Once: what comes behind that is read when it has been taken by one of them."""
    async with readings(tap_on(log), 100, 100) as (first, slow):
        await first.once()
        await slow.once()
        append(log, history)
        await turns()
        append(log, history)
        await turns()
        assert log.counted.given == 2

        assert len(await first.once()) == 2
        await turns()

        assert log.counted.given == 4
        assert len(await first.once()) == 2
    assert first.events == history.events


async def test_who_is_held_up_looks_ever_more_seldom():
    """A transaction that is rolled back notifies nobody, so it looks again; a notification has it look at once."""
    log = HeldUpLog()
    limits = TapLimits(held_up=RetryPolicy(first=1.0, longest=4.0))
    async with EventTap(log, idle=lambda: Backoff(poll(SELDOM)), limits=limits).connect() as follower:
        assert await follower.read(after=0, limit=100) == []
        waiting = asyncio.create_task(follower.wait(seconds=SECONDS))
        await turns()
        waiting.cancel()

    done = [each for each in log.done if each == "read" or each <= limits.held_up.longest]
    assert done[:8] == ["read", "read", 1.0, "read", 2.0, "read", 4.0, "read"]
    assert {*done[8::2]} == {4.0}


async def test_who_asks_for_something_has_nothing_read():
    """The one task that reads is woken for it, and knows as much of the log as before."""
    log = QuietLog()
    async with EventTap(log, idle=lambda: Backoff(poll(SELDOM))).connect() as follower:
        await follower.read(after=0, limit=100)
        waiting = asyncio.create_task(follower.wait(seconds=SECONDS))
        await turns()
        began = log.done.count("read")

        await follower.identity(position=7)
        await turns()
        waiting.cancel()

    assert log.done.count("read") == began


async def test_what_is_asked_again_and_again_does_not_keep_it_from_looking():
    """As one that is far behind asks: what nobody notified is found in time all the same."""
    log = QuietLog()
    async with EventTap(log, idle=lambda: Backoff(poll(0.05))).connect() as follower:
        await follower.read(after=0, limit=100)
        waiting = asyncio.create_task(follower.wait(seconds=SECONDS))
        await turns()
        began = log.done.count("read")

        async with asyncio.timeout(SECONDS):
            while log.done.count("read") == began:
                await follower.identity(position=7)
        waiting.cancel()


class HeldUpLog:
    """A log of which nothing can be read, since a transaction is under way; it notes each read and wait."""

    def __init__(self):
        self.done = []
        self.has_more = False

    @asynccontextmanager
    async def connect(self):
        yield self

    async def read(self, **_):
        self.done.append("read")
        await asyncio.sleep(0)
        self.has_more = True
        return []

    async def wait(self, *, seconds):
        self.done.append(seconds)
        await asyncio.sleep(0)
        return True

    def wake(self):
        pass


class QuietLog(HeldUpLog):
    """A log that is empty, and in which nothing is notified."""

    def __init__(self):
        super().__init__()
        self._woken = asyncio.Event()

    async def read(self, **_):
        self.done.append("read")
        return []

    async def identity(self, **_):
        return LogIdentity(None, 0)

    async def wait(self, **_):
        await self._woken.wait()
        self._woken.clear()
        return False

    def wake(self):
        self._woken.set()


async def turns():
    """Let what is ready go on."""
    for _ in range(40):
        await asyncio.sleep(0)


async def test_one_that_stands_still_holds_up_nobody(log, history):
    """It goes on from where it was, and reads for itself what is not kept for it any longer."""
    async with readings(tap_on(log, window=4), 100, 3) as (fast, slow):
        await fast.once()
        await slow.once()
        for nth in range(1, 21):
            append(log, history)
            await fast.reach(2 * nth)
        given = log.counted.given

        await slow.reach(40)

    assert fast.events == slow.events == history.events
    assert 40 - 4 <= log.counted.given - given <= 40


async def test_one_that_comes_later_gets_everything(log, history):
    tap = tap_on(log)
    append(log, history, 3)
    async with readings(tap, 100) as (first,):
        await first.reach(6)
        async with readings(tap, 2) as (late,):
            await late.reach(6)
            append(log, history)
            await asyncio.gather(first.reach(8), late.reach(8))

    assert first.events == late.events == history.events
    assert log.counted.sessions == 1


async def test_nobody_sees_what_was_redacted_behind_its_redaction(log, history):
    """One who has read that an earlier event is redacted gets no later one that was kept from before the erasure."""
    ada = history.register("ada")
    history.register("bob")
    history.change_handle(ada, "countess")
    append(log, history, 0)
    async with readings(tap_on(log), 100, 2) as (fast, slow):
        await fast.once()
        history.erase(ada)
        log.redact(lambda each: each.aggregate_id == ada, by=history.events[-1].position)
        log.append(history.events[5:])

        await slow.once()
        while slow.position < 5:
            await slow.once()

    assert slow.events[:5] == list(log.events[:5])
    assert isinstance(slow.events[0].event, Redacted)
    assert isinstance(slow.events[4].event, Redacted)
    assert not isinstance(fast.events[4].event, Redacted)


async def test_what_nobody_notifies_is_found_as_well(log, history):
    async with readings(tap_on(log, every=OFTEN), 100) as (each,):
        await each.once()
        history.register("ada")
        log.append(history.events)

        await each.reach(2)

    assert each.events == history.events


async def test_a_backlog_is_read_portion_by_portion(log, history):
    """No wait lies between two of them, and nothing is read before it is asked for."""
    append(log, history, 10)
    async with readings(tap_on(log, portion=3), 4) as (each,):
        await each.once()
        assert (log.counted.reads, each.follower.has_more) == (1, True)

        await each.reach(20)

    assert each.events == history.events
    assert log.counted.reads == 5


async def test_a_lost_session_is_lost_by_all(log, history):
    """And those who follow again do so in a new one."""
    tap = tap_on(log)
    async with readings(tap, 100, 100) as both:
        for each in both:
            await each.once()
        waiting = [asyncio.create_task(each.follower.wait(seconds=SECONDS)) for each in both]
        await asyncio.sleep(0)
        log.available = False
        log.notify()

        lost = await asyncio.gather(*waiting, return_exceptions=True)
        assert [type(each) for each in lost] == [Unavailable, Unavailable]
        with pytest.raises(Unavailable):
            await both[0].once()
        with pytest.raises(Unavailable):
            await both[1].follower.identity(position=1)
        with pytest.raises(Unavailable):
            async with tap.connect():
                pass
        log.available = True
        async with readings(tap, 100) as (again,):
            append(log, history)
            await again.reach(2)

    assert again.events == history.events
    assert log.counted.sessions == 2


async def test_one_that_is_cancelled_disturbs_nobody(log, history):
    async with readings(tap_on(log), 100, 100) as (one, other):
        await other.once()
        for work in (one.once(), one.follower.identity(position=0), one.follower.wait(seconds=SECONDS)):
            task = asyncio.create_task(work)
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        append(log, history)

        await other.reach(2)

    assert other.events == history.events


async def test_the_session_ends_with_the_last_that_follows(log):
    tap = tap_on(log)
    async with readings(tap, 1, 1):
        assert len(log._waiting) == 1
    assert not log._waiting

    async with readings(tap, 1):
        assert len(log._waiting) == 1


async def test_a_history_is_counted_in_steps(log, history):
    history.register("ada")
    history.skip(3)
    history.register("bob")
    append(log, history, 0)
    last = history.events[-1]
    async with readings(tap_on(log, counted=2), 1) as (each,):
        assert await each.follower.identity(position=last.position) == LogIdentity(last.event_id, 4)
        assert await each.follower.identity(position=last.position, since=2) == LogIdentity(last.event_id, 2)
        assert await each.follower.identity(position=4) == LogIdentity(None, 2)
        assert await each.follower.identity(position=0) == LogIdentity(None, 0)


def routed_tap_on(log, **limits):
    """A tap whose topics are the aggregates of events."""
    return EventTap(
        log, idle=lambda: Backoff(poll(SELDOM)), limits=TapLimits(**limits), route=lambda each: [each.aggregate]
    )


def counted(reading):
    """Up to where the events of a reading count the log."""
    return sum(each.stands_for for each in reading.events) + reading.follower.passed


@pytest.mark.parametrize("limits", [{}, {"window": 4}, {"portion": 3}], ids=str)
async def test_who_follows_a_topic_is_given_what_concerns_it(log, history, limits):
    """However far it is behind: each event with those before it that do not concern it, so that the log is counted."""
    tap = routed_tap_on(log, **limits)
    async with (
        tap.connect() as everything,
        tap.connect_to("profile") as profiles,
        tap.connect_to("group") as groups,
    ):
        all_, own, few = (Reading(each, limit=limit) for each, limit in ((everything, 100), (profiles, 7), (groups, 5)))
        for nth in range(1, 21):
            append(log, history)
            await all_.reach(2 * nth)
        history.create_group("board")
        append(log, history, 3)

        await asyncio.gather(all_.reach(47), own.reach(47), few.reach(41))

    assert [each.position for each in own.events] == [
        each.position for each in history.events if each.aggregate == "profile"
    ]
    assert [each.stands_for for each in few.events] == [41]
    assert counted(own) == 47


async def test_nobody_is_woken_by_what_does_not_concern_them(log, history):
    """It is counted for them, and they go on behind it without a read of their own."""
    tap = routed_tap_on(log)
    async with tap.connect() as everything, tap.connect_to("group") as groups:
        all_, few = Reading(everything, limit=100), Reading(groups, limit=100)
        await few.once()
        waiting = asyncio.create_task(groups.wait(seconds=SECONDS))
        append(log, history, 3)
        await all_.reach(6)
        passed = groups.passed, groups.last.position, waiting.done()
        history.create_group("board")
        append(log, history, 0)
        await waiting
        given = log.counted.given
        await few.reach(7)

    assert passed == (6, 6, False)
    assert few.events[0].stands_for == 7
    assert log.counted.given == given
    assert tap.passed_over.is_set()


async def test_who_says_how_far_it_is_goes_on_from_there(log, history):
    """What was passed up to there is not counted again."""
    tap = routed_tap_on(log)
    async with tap.connect_to("group") as groups:
        append(log, history, 3)
        assert not await groups.read(after=0, limit=100)
        groups.pass_on(position=6, events=6)
        append(log, history)
        history.create_group("board")
        append(log, history, 0)
        await groups.wait(seconds=SECONDS)
        [board] = await groups.read(after=6, limit=100)

    assert (board.position, board.stands_for) == (9, 3)
