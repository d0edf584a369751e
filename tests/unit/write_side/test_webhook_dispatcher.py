"""Webhooks are sent side by side: one that is slow or fails holds up only itself."""

import asyncio
from contextlib import asynccontextmanager, suppress
from datetime import timedelta

import pytest
from prometheus_client import REGISTRY

from shared.errors import Unavailable
from tests.support.clock import SettableClock
from tests.support.patience import until_here
from tests.support.webhooks import ADA, BOB, EVE, FakeReceivers, ListedFeed, answering, change, silent, taking, webhook
from write_side.adapters.memory import MemoryDatabase
from write_side.adapters.memory.webhooks import MemoryWebhooks
from write_side.webhooks.administration import change_webhook
from write_side.webhooks.dispatcher import Dispatcher
from write_side.webhooks.limits import WebhookLimits

LIMITS = WebhookLimits(at_once=4, poll_seconds=0.001, answer_seconds=60)
GOOD, BAD, OTHER = webhook(1), webhook(2), webhook(3)


class Many:
    """Several webhooks on one feed, and what they are sent."""

    def __init__(self, session, webhooks: MemoryWebhooks) -> None:
        self.session, self.webhooks = session, webhooks
        self.clock = webhooks.database.clock
        self.feed, self.receivers = ListedFeed(), FakeReceivers()
        ports = {"feed": self.feed, "receivers": self.receivers, "clock": self.clock}
        self.dispatcher = Dispatcher(session, limits=LIMITS, **ports)

    @asynccontextmanager
    async def running(self):
        task = asyncio.create_task(self.dispatcher.run())
        try:
            yield task
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError, Unavailable):
                await task

    def kept(self, webhook):
        return self.webhooks.kept[webhook.id]

    def positions(self, webhook):
        return self.receivers.positions(webhook)


@pytest.fixture
async def many():
    database = MemoryDatabase(clock=SettableClock())
    database.accounts |= dict.fromkeys((ADA, BOB, EVE))
    webhooks = MemoryWebhooks(database)
    async with webhooks.connect() as session:
        for each in (GOOD, BAD, OTHER):
            await session.add(each)
        yield Many(session, webhooks)


@pytest.mark.parametrize("answer", [silent, answering(500), answering(302), answering(410)])
async def test_one_that_does_not_take_anything_holds_up_no_other(many, answer):
    many.receivers.answers[BAD.url] = answer
    async with many.running():
        for at in range(1, 30):
            many.feed.append(change(at, (ADA, BOB, EVE)[at % 3]))
            await until_here(lambda at=at: many.kept(GOOD).position == many.kept(OTHER).position == at)

    assert many.positions(GOOD) == many.positions(OTHER) == list(range(1, 30))
    assert many.kept(BAD).position == 0


async def test_each_has_an_equal_share_of_what_is_under_way(many):
    """One that is silent has no more; one that is alone has all."""
    for each in (GOOD, BAD, OTHER):
        many.receivers.answers[each.url] = silent
    many.feed.append(*(change(at, about) for at, about in enumerate((ADA, BOB, EVE), 1)))
    async with many.running():
        await until_here(lambda: all(many.positions(each) for each in (GOOD, BAD, OTHER)))
        assert set(many.receivers.most.values()) == {1}

    for each in ("hook-2", "hook-3"):
        await many.session.remove(each)
    async with many.running():
        await until_here(lambda: many.receivers.most[GOOD.url] == 3)


async def test_it_is_tried_again_when_it_is_due(many):
    many.receivers.answers[BAD.url] = answering(500)
    async with many.running():
        many.feed.append(change(1))
        await until_here(lambda: many.kept(BAD).failures == 1)
        many.receivers.answers[BAD.url] = taking

        many.clock.advance(timedelta(seconds=4))
        many.feed.append(change(2))
        await until_here(lambda: many.kept(GOOD).position == 2)
        assert many.positions(BAD) == [1]

        many.clock.advance(timedelta(seconds=1))
        await until_here(lambda: many.kept(BAD).position == 2)

    assert many.positions(BAD) == [1, 1, 2]


async def test_what_was_taken_is_remembered_from_one_attempt_to_the_next(many):
    many.receivers.answers[BAD.url] = answering(500, only=1)
    async with many.running():
        many.feed.append(change(1, ADA), change(2, BOB))
        for failures in (1, 2, 3):
            await until_here(lambda failures=failures: many.kept(BAD).failures == failures)
            many.clock.advance(timedelta(seconds=LIMITS.pause(failures)))

    assert [many.positions(BAD).count(at) for at in (1, 2)] == [3, 1]


async def test_one_that_is_paused_gets_nothing_until_it_is_resumed(many):
    async with many.running():
        paused = await change_webhook(many.session, BAD.name, lambda each: each.paused("enough", at=many.clock.now()))
        await until_here(lambda: REGISTRY.get_sample_value("muster_webhooks", {"state": "paused"}) == 1)
        many.feed.append(change(1), change(2))
        await until_here(lambda: many.kept(GOOD).position == 2)
        assert (many.positions(BAD), paused.state) == ([], "paused")

        await change_webhook(many.session, BAD.name, lambda each: each.resumed())
        await until_here(lambda: many.positions(BAD) == [1, 2])


async def test_a_replay_begins_at_once(many):
    async with many.running():
        many.feed.append(change(1), change(2), change(3))
        await until_here(lambda: many.kept(GOOD).position == 3)

        await change_webhook(many.session, GOOD.name, lambda each: each.replayed(2))

        await until_here(lambda: many.positions(GOOD) == [1, 2, 3, 2, 3])


async def test_one_that_is_added_or_removed_is_noticed(many):
    async with many.running():
        await many.session.add(webhook(4))
        await many.session.remove(BAD.name)
        await until_here(lambda: many.dispatcher._senders.keys() == {GOOD.id, OTHER.id, webhook(4).id})
        many.feed.append(change(1))

        await until_here(lambda: many.positions(webhook(4)) == [1])

    assert many.positions(BAD) == []


async def test_a_feed_that_is_away_is_waited_for(many):
    """Each time that it is, each webhook says so; it is no failure of its receiver."""
    async with many.running():
        for at in (1, 2):
            many.feed.available = False
            many.feed.append(change(at))
            await until_here(lambda: {each.state for each in many.webhooks.kept.values()} == {"failing"})
            assert (many.kept(GOOD).error, many.kept(GOOD).failures) == ("the feed was made unavailable", 0)
            many.feed.available = True

            await until_here(lambda at=at: many.positions(GOOD) == list(range(1, at + 1)))
            await until_here(lambda: many.kept(GOOD).state == "active")


async def test_a_defect_in_one_is_a_failure_of_this_one(many):
    async def defect(_):
        raise ZeroDivisionError

    many.receivers.answers[BAD.url] = defect
    async with many.running():
        many.feed.append(change(1))
        await until_here(lambda: many.kept(BAD).failures)
        await until_here(lambda: many.kept(GOOD).position == 1)

    assert many.kept(BAD).error == "ZeroDivisionError"


async def test_a_database_that_is_away_ends_it(many):
    """And the process that leads with it, which begins again once the database answers."""
    async with many.running() as task:
        many.webhooks.database.available = False
        with pytest.raises(Unavailable):
            await task


async def test_the_metrics_say_how_many_there_are_and_how_far_they_are(many):
    many.receivers.answers[BAD.url] = answering(500)
    many.receivers.answers[OTHER.url] = answering(410)
    async with many.running():
        many.feed.append(change(1, ADA), change(2, BOB))

        def states():
            return [
                REGISTRY.get_sample_value("muster_webhooks", {"state": each})
                for each in ("active", "failing", "paused")
            ]

        await until_here(lambda: states() == [1, 1, 1])
        assert REGISTRY.get_sample_value("muster_webhooks_position") == 0
    assert states() == [0, 0, 0]
