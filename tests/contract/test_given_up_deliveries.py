"""What operators see of deliveries and webhooks: what `muster react` keeps in its tables."""

from dataclasses import replace
from datetime import timedelta

from projector.adapters.postgres.deliveries import PostgresGivenUpDeliveries
from tests.support.reacting import reacting_on
from tests.support.webhooks import NOW, webhook
from write_side.adapters.postgres.webhooks import PostgresWebhooks
from write_side.reactions.limits import ReactionLimits


async def test_what_was_given_up_is_read_and_retried(database_url):
    """Only that: what waits keeps its time."""
    given_up = PostgresGivenUpDeliveries(database_url)
    async with reacting_on("postgres", database_url) as patient:
        reacting = replace(patient, limits=ReactionLimits(attempts=1))
        andre, now = await reacting.register(), reacting.side.clock.now()
        await reacting.schedule()
        [waiting] = await reacting.left()
        before, is_hurried = await given_up.read(), await given_up.retry(waiting.id, now=now)
        reacting.mailer.available = False
        await reacting.deliver()
        report, is_retried = await given_up.read(), await given_up.retry(waiting.id, now=now)
        reacting.mailer.available = True
        await reacting.deliver()

    [shown] = report.deliveries
    assert (before.waiting, before.given_up, before.deliveries, is_hurried) == (1, 0, [], False)
    assert (report.waiting, report.given_up, is_retried) == (0, 1, True)
    assert (shown.id, shown.account_id, shown.attempts) == (waiting.id, andre, 1)
    assert shown.error == "the mailer in memory was made unavailable"
    assert [mail.id for mail in reacting.mailer.sent] == [shown.id]


async def test_webhooks_are_read_those_in_trouble_first(database_url):
    """Without where they lead."""
    failing = webhook(2).failed("it answers 500", at=NOW, pause=timedelta(seconds=5))
    paused = webhook(3).failed("it answers 500", at=NOW, pause=timedelta(seconds=5)).paused("enough", at=NOW)
    async with PostgresWebhooks(database_url).connect() as session:
        for each in (webhook(1), failing, paused, webhook(4).held_up("the read API answers 401")):
            await session.add(each)

    report = await PostgresGivenUpDeliveries(database_url).read()

    assert [(each.name, each.state, each.failures, each.why, each.since) for each in report.webhooks] == [
        ("hook-3", "paused", 1, "enough", NOW),
        ("hook-2", "failing", 1, "it answers 500", NOW),
        ("hook-4", "failing", 0, "the read API answers 401", None),
        ("hook-1", "active", 0, None, None),
    ]
