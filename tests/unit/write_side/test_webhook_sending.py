"""What is sent to one webhook, in which order, and what comes of failures; by a clock that a test moves."""

import asyncio
from datetime import timedelta

import pytest

from tests.support.clock import SettableClock
from tests.support.patience import until_here
from tests.support.webhooks import (
    ADA,
    BOB,
    EVE,
    FakeReceivers,
    ListedFeed,
    answering,
    change,
    silent,
    taking,
    unreachable,
    webhook,
)
from write_side.adapters.memory import MemoryDatabase
from write_side.adapters.memory.webhooks import MemoryWebhooks
from write_side.webhooks.administration import change_webhook
from write_side.webhooks.limits import WebhookLimits
from write_side.webhooks.ports import WebhookChanged
from write_side.webhooks.sending import WebhookSender


class One:
    """One webhook, and what it is sent."""

    def __init__(self, session, feed: ListedFeed, clock: SettableClock, database: MemoryDatabase) -> None:
        self.session, self.feed, self.clock, self.database = session, feed, clock, database
        self.receivers = FakeReceivers()
        self.sender = self.another_sender()

    def another_sender(self, **limits: float) -> WebhookSender:
        """Make one as a process that is started has it."""
        ports = {"session": self.session, "feed": self.feed, "receivers": self.receivers, "clock": self.clock}
        sender = WebhookSender(self.kept, limits=WebhookLimits(**limits), **ports)
        sender.share = 4
        return sender

    @property
    def kept(self):
        [kept] = self.session._all.kept.values()
        return kept

    @property
    def positions(self):
        return self.receivers.positions(self.kept)

    def answers(self, answer) -> None:
        self.receivers.answers[self.kept.url] = answer

    async def step(self) -> None:
        await self.sender.step()


@pytest.fixture
async def one():
    clock = SettableClock()
    database = MemoryDatabase(clock=clock)
    database.accounts |= dict.fromkeys((ADA, BOB, EVE))
    async with MemoryWebhooks(database).connect() as session:
        await session.add(webhook(1))
        yield One(session, ListedFeed(), clock, database)


async def test_what_is_sent_is_the_change_signed(one):
    one.feed.append(change(1))

    await one.step()

    [sent] = one.receivers.sent[one.kept.url]
    assert (sent.id, sent.body) == (change(1).id, change(1).body)
    assert sent.headers["webhook-timestamp"] == str(int(one.clock.now().timestamp()))
    assert one.kept.position == 1


async def test_changes_of_one_account_come_one_after_the_other(one):
    """Those of others do not wait for them."""
    one.feed.append(*(change(at, ADA) for at in range(1, 6)), change(6, BOB), change(7, EVE))

    await one.step()

    assert [at for at in one.positions if at <= 5] == [1, 2, 3, 4, 5]
    assert set(one.positions[:3]) == {1, 6, 7}
    assert one.receivers.most[one.kept.url] == 3


async def test_no_more_is_under_way_than_its_share(one):
    one.sender.share = 2
    one.feed.append(*(change(at, about) for at, about in enumerate((ADA, BOB, EVE), 1)))

    await one.step()

    assert one.receivers.most[one.kept.url] == 2


async def test_after_a_failure_it_is_tried_ever_more_seldom(one):
    one.feed.append(change(1))
    one.answers(answering(500))

    pauses = []
    for _ in range(4):
        await one.step()
        pauses.append((one.kept.retry_at - one.clock.now()).total_seconds())
        one.clock.advance(timedelta(seconds=pauses[-1]))

    assert pauses == [5, 10, 20, 40]
    assert (one.kept.failures, one.kept.error, one.kept.state) == (4, "it answers 500", "failing")
    assert len({each.id for each in one.receivers.sent[one.kept.url]}) == 1


async def test_a_receiver_that_is_down_is_not_asked_for_each_change(one):
    one.sender.share = 1
    one.feed.append(change(1, ADA), change(2, BOB), change(3, EVE))
    one.answers(unreachable)

    await one.step()

    assert one.positions == [1]


async def test_what_was_taken_is_not_sent_again_after_a_failure_before_it(one):
    """Nor is anything of the same account sent past what failed."""
    one.feed.append(change(1, ADA), change(2, BOB), change(3, ADA))
    one.answers(answering(500, only=1))
    await one.step()
    assert (one.kept.position, one.positions.count(2)) == (0, 1)

    one.answers(taking)
    await one.step()

    assert sorted(one.positions) == [1, 1, 2, 3]
    assert one.positions.index(3) > 1
    assert (one.kept.position, one.kept.failures) == (3, 0)


async def test_one_account_whose_changes_are_refused_holds_up_no_other(one):
    """Even where one request is under way at a time."""
    one.sender.share = 1
    one.feed.append(change(1, ADA), change(2, BOB), change(3, EVE))
    one.answers(answering(500, only=1))

    await one.step()
    await one.step()

    assert one.positions == [1, 2, 3, 1]


async def test_the_position_stands_before_the_first_that_was_not_taken(one):
    one.feed.append(change(1, ADA), change(2, BOB), change(5, ADA), change(6, BOB))
    one.answers(answering(503, only=5))

    await one.step()

    assert one.kept.position == 2


async def test_a_process_that_is_killed_loses_nothing(one):
    """What it sent and had not stored comes again, with the same ids."""
    one.feed.append(change(1, ADA), change(2, BOB))
    one.answers(silent)
    killed = asyncio.create_task(one.step())
    await until_here(lambda: len(one.positions) == 2)
    killed.cancel()
    one.answers(taking)

    await one.another_sender().step()

    ids = [each.id for each in one.receivers.sent[one.kept.url]]
    assert (sorted(one.positions), len(set(ids)), one.kept.position) == ([1, 1, 2, 2], 2, 2)


async def test_one_that_goes_on_failing_pauses_itself_and_says_why(one):
    one.feed.append(change(1))
    one.answers(unreachable)
    one.sender = one.another_sender(attempts=3)

    for _ in range(3):
        await one.step()

    assert one.kept.state == "paused"
    assert one.kept.reason == "it cannot be reached, 3 times since 2026-11-25 12:00Z"
    assert not one.kept.is_due(one.clock.now() + timedelta(days=9))


async def test_a_success_in_between_begins_to_count_anew(one):
    one.feed.append(change(1), change(2))
    one.answers(answering(500, only=2))

    await one.step()
    await one.step()
    one.feed.append(change(3, BOB))
    await one.step()

    assert (one.kept.position, one.kept.failures) == (1, 3)


async def test_one_that_is_gone_pauses_at_once(one):
    """A receiver says so by 410; whatever else fails meanwhile."""
    one.feed.append(change(1, ADA), change(2, BOB))
    one.answers(answering(410, only=2))

    await one.step()

    assert (one.kept.state, one.kept.reason, one.kept.position) == ("paused", "it answers 410: it is gone", 1)


@pytest.mark.parametrize(
    ("status", "why"), [(302, "it answers 302: redirects are not followed"), (404, "it answers 404")]
)
async def test_what_is_no_success_is_a_failure(one, status, why):
    one.feed.append(change(1))
    one.answers(answering(status))

    await one.step()

    assert (one.kept.error, one.kept.position) == (why, 0)


@pytest.mark.parametrize(
    ("status", "asks", "pause"),
    [
        (429, "120", 120),
        (503, "Wed, 25 Nov 2026 12:02:00 GMT", 120),
        (503, "Wednesday, 25-Nov-26 12:02:00 GMT", 120),
        (503, "2", 5),
        (503, "999999999", 3_600),
        (503, "Wed, 25 Nov 2026 11:00:00 GMT", 5),
        (503, "soon", 5),
        (503, "-120", 5),
        (503, "Wed, 25 Nov 2026 12:02:00 +99999999999999999999", 5),
        (503, None, 5),
        (500, "120", 5),
    ],
)
async def test_one_that_says_when_to_ask_again_is_asked_then(one, status, asks, pause):
    """Never sooner than without it, and never later than after the longest pause."""
    one.feed.append(change(1))
    one.answers(answering(status, asks))

    await one.step()

    assert (one.kept.retry_at - one.clock.now()).total_seconds() == pause


async def test_of_several_that_say_so_the_longest_counts(one):
    one.feed.append(change(1, ADA), change(2, BOB), change(3, EVE))
    answers = {1: answering(500), 2: answering(503, "90"), 3: answering(503, "60")}
    one.answers(lambda sent: answers[sent.position](sent))

    await one.step()

    assert (one.kept.retry_at - one.clock.now()).total_seconds() == 90


async def test_one_that_is_resumed_goes_on_where_it_stopped(one):
    one.feed.append(change(1), change(2))
    one.answers(answering(410, only=2))
    await one.step()
    one.answers(taking)

    await change_webhook(one.session, "hook-1", lambda each: each.resumed())
    await one.another_sender().step()

    assert one.positions == [1, 2, 2]
    assert (one.kept.state, one.kept.position) == ("active", 2)


async def test_a_replay_sends_again_what_was_sent(one):
    one.feed.append(change(1), change(2), change(3))
    await one.step()

    await change_webhook(one.session, "hook-1", lambda each: each.replayed(2))
    await one.another_sender().step()

    assert one.positions == [1, 2, 3, 2, 3]


async def test_what_an_operator_changes_ends_what_was_begun(one):
    one.feed.append(change(1))
    await change_webhook(one.session, "hook-1", lambda each: each.replayed(5))

    with pytest.raises(WebhookChanged):
        await one.step()

    assert one.kept.position == 4


async def test_nothing_goes_out_of_those_who_were_erased(one):
    """But that they were: those who keep a copy are to forget them too."""
    one.feed.append(change(1, ADA), change(2, BOB), change(3, ADA, erases=True))
    del one.database.accounts[ADA]

    await one.step()

    assert (sorted(one.positions), one.kept.position) == ([2, 3], 3)


async def test_they_may_be_erased_between_two_attempts(one):
    one.feed.append(change(1, ADA))
    one.answers(answering(500))
    await one.step()
    del one.database.accounts[ADA]

    await one.step()

    assert (one.positions, one.kept.position, one.kept.failures) == ([1], 1, 0)


async def test_what_is_not_kept_any_more_pauses_it(one):
    one.feed.oldest = 33

    await one.step()

    assert one.kept.state == "paused"
    assert "muster webhooks replay hook-1 --from 33" in one.kept.reason


async def test_a_filter_that_finds_nothing_moves_the_position(one):
    one.feed.looked_up_to = 40

    await one.step()

    assert one.kept.position == 40


async def test_one_that_waits_for_the_feed_is_well_once_that_answers(one):
    """Though there is no change yet."""
    await one.sender.hold_up("the read API answers 401")
    assert (one.kept.error, one.kept.state) == ("the read API answers 401", "failing")

    await one.step()

    assert (one.kept.error, one.kept.state) == (None, "active")
