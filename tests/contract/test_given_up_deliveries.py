"""What operators see of deliveries: what `muster react` keeps in its table."""

from dataclasses import replace

import pytest

from projector.adapters.postgres.deliveries import PostgresGivenUpDeliveries
from tests.support.reacting import reacting_on
from write_side.reactions.limits import ReactionLimits

pytestmark = pytest.mark.anyio


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
