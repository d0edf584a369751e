"""Deliveries are kept until they are done, on every adapter."""

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import UUID

import psycopg
import pytest

from shared.errors import Unavailable
from shared.runtime.retry import poll
from tests.support.patience import SECONDS
from tests.support.write_side import ANDRE
from write_side.adapters.postgres.deliveries import PostgresDeliveries
from write_side.domain.account import AccountStatus
from write_side.ports import Delivery, DeliveryCounts, LeadLost

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
ADA, BOB, EVE = UUID(int=1), UUID(int=2), UUID(int=3)


@pytest.fixture
def session(reacting):
    return reacting.session


def delivery(number: int, account: UUID = ADA, **about) -> Delivery:
    given = {"reaction": "send-verification-mail", "channel": "mail", "version": 1, "due_at": NOW}
    ids = {"id": UUID(int=100 + number), "event_id": UUID(int=200 + number), "account_id": account}
    return Delivery(position=number, **ids, **(given | about))


async def due(session, channel="mail", *, now=NOW, **about):
    return [each.position for each in await session.due(channel, now=now, limit=10, **about)]


async def test_deliveries_and_the_checkpoint_are_stored_together(session):
    await session.schedule([delivery(1), delivery(2, BOB)], after=0, until=7)

    assert await session.checkpoint() == 7
    assert await due(session) == [1, 2]


async def test_what_was_scheduled_for_elsewhere_is_not_scheduled_for_again(session):
    await session.schedule([delivery(1)], after=0, until=7)

    with pytest.raises(LeadLost):
        await session.schedule([delivery(2, BOB)], after=0, until=7)

    assert await due(session) == [1]


async def test_what_cannot_be_stored_whole_leaves_the_checkpoint_where_it_is(database_url):
    async with PostgresDeliveries(database_url).connect() as session:
        await session.schedule([delivery(1)], after=0, until=1)

        with pytest.raises(psycopg.errors.UniqueViolation):
            await session.schedule([delivery(2), delivery(1)], after=1, until=2)

        assert (await session.checkpoint(), await due(session)) == (1, [1])


async def test_a_delivery_comes_back_as_it_was_scheduled(session):
    scheduled = delivery(1, endpoint="somewhere", is_ordered=False)
    await session.schedule([scheduled], after=0, until=1)

    assert await session.due("mail", now=NOW, limit=10) == [scheduled]


async def test_of_one_account_the_next_waits_for_the_one_before(session):
    """Those of others do not, nor those on another way."""
    webhook = delivery(4, channel="webhook", endpoint="a")
    await session.schedule([delivery(1), delivery(2), delivery(3, BOB), webhook], after=0, until=4)

    assert (await due(session), await due(session, "webhook")) == ([1, 3], [4])
    await session.done(delivery(1))
    assert await due(session) == [2, 3]


async def test_one_that_is_deferred_holds_up_those_behind_it(session):
    await session.schedule([delivery(1), delivery(2)], after=0, until=2)

    await session.defer(delivery(1), until=NOW + MINUTE, error="away")

    assert await due(session) == []
    [deferred] = await session.due("mail", now=NOW + MINUTE, limit=10)
    assert (deferred.position, deferred.attempts, deferred.error) == (1, 1, "away")


async def test_a_reminder_of_later_holds_up_nothing(session):
    later = delivery(1, is_ordered=False, due_at=NOW + MINUTE)

    await session.schedule([later, delivery(2)], after=0, until=2)

    assert await due(session) == [2]
    assert await session.next_due(["mail", "webhook"], after=NOW) == NOW + MINUTE
    assert await session.next_due(["webhook"], after=NOW) is None


async def test_one_that_is_given_up_holds_up_nothing_and_is_seen(session):
    await session.schedule([delivery(1), delivery(2)], after=0, until=2)

    await session.give_up(delivery(1), at=NOW, error="refused: 550")

    assert await due(session) == [2]
    assert await session.counts() == DeliveryCounts(waiting=1, given_up=1)
    [given_up, _] = await session.all(limit=10)
    assert (given_up.error, given_up.attempts, given_up.given_up_at) == ("refused: 550", 1, NOW)


async def test_those_that_were_given_up_can_be_tried_again(session):
    await session.schedule([delivery(1), delivery(2, BOB), delivery(3, EVE)], after=0, until=3)
    for each in (delivery(1), delivery(2, BOB)):
        await session.give_up(each, at=NOW, error="refused: 550")

    assert await session.retry([delivery(1).id, UUID(int=999)], now=NOW) == 1
    assert await due(session) == [1, 3]
    assert await session.retry(None, now=NOW) == 1
    assert await due(session) == [1, 2, 3]
    assert {each.attempts for each in await session.all(limit=10)} == {0}


async def test_what_is_under_way_is_not_taken_up_again(session):
    await session.schedule([delivery(1), delivery(2, BOB)], after=0, until=2)

    assert await due(session, besides=[delivery(1).id]) == [2]


async def test_one_session_leads_until_it_ends(reacting):
    async with reacting.deliveries.connect() as standby:
        async with reacting.deliveries.connect() as leader:
            assert await leader.try_to_lead()
            assert not await standby.try_to_lead()

        assert await poll(0.01, within=SECONDS).until(bool, standby.try_to_lead)


async def test_an_account_is_looked_up_as_it_is_now(reacting):
    answer = await reacting.side.run("register-account", **ANDRE, locale="de-CH")
    await reacting.side.run("change-email", account="@andre.carson", email="new@example.org")
    await reacting.side.run("suspend-account", account="@andre.carson")

    found = await reacting.session.recipient(answer.outcome.id)

    assert (found.email, found.email_version, found.email_verified) == ("new@example.org", 2, False)
    assert (found.version, found.status, found.locale) == (3, AccountStatus.SUSPENDED, "de-CH")
    assert await reacting.session.recipient(ADA) is None


async def test_what_fails_is_tried_again_ever_more_seldom_until_it_is_given_up(reacting):
    """The clock is the test's: nothing sleeps."""
    reacting = reacting.limited(first_seconds=10, longest_seconds=30, attempts=5)
    await reacting.register()
    reacting.mailer.available = False
    pauses = []

    await reacting.schedule()
    for _ in range(4):
        await reacting.deliver()
        [left] = await reacting.left()
        pauses.append(left.due_at - reacting.side.clock.now())
        reacting.side.clock.advance(pauses[-1])
    await reacting.deliver()

    [left] = await reacting.left()
    assert [pause.total_seconds() for pause in pauses] == [10, 20, 30, 30]
    assert (left.attempts, left.given_up_at) == (5, reacting.side.clock.now())


async def test_what_failed_is_done_when_the_other_side_is_back(reacting):
    await reacting.register()
    reacting.mailer.available = False
    await reacting.react()
    reacting.mailer.available = True

    assert await reacting.react() == []
    reacting.side.clock.advance(MINUTE)

    assert len(await reacting.react()) == 1
    assert await reacting.left() == []


async def test_an_address_that_there_is_not_is_given_up_at_once(reacting):
    await reacting.register()
    await reacting.register("bob")
    reacting.mailer.refused = {"andre@example.org"}

    mails = await reacting.react()

    [left] = await reacting.left()
    assert [mail.to for mail in mails] == ["bob@example.org"]
    assert (left.error, left.given_up_at) == ("refused: 550", reacting.side.clock.now())


async def test_a_defect_in_one_delivery_holds_up_no_other(reacting):
    """What it says of itself may name people: its kind alone is kept."""
    await reacting.register()
    bob = await reacting.register("bob")

    async def carry_out(delivery: Delivery, _: object) -> bool:
        if delivery.account_id == bob:
            raise KeyError("bob@example.org")
        return True

    await reacting.doing(carry_out).react()

    [left] = await reacting.left()
    assert (left.account_id, left.error) == (bob, "KeyError")


async def test_no_more_is_carried_out_at_once_than_may_be(reacting):
    most = 0

    async def carry_out(*_: object) -> bool:
        nonlocal most
        most = max(most, len([task for task in asyncio.all_tasks() if task.get_name() == "inside"]) + 1)
        await asyncio.create_task(asyncio.sleep(0), name="inside")
        return True

    for number in range(12):
        await reacting.register(f"person{number}")
    await reacting.doing(carry_out).limited(at_once=3, ahead=6).react()

    assert await reacting.left() == []
    assert most == 3


async def test_a_session_that_is_lost_ends_what_delivers(database_url, reacting):
    """It leads no more: another process may be doing the same already."""
    await reacting.register()
    await reacting.schedule()

    async def carry_out(*_: object) -> bool:
        raise Unavailable("the mail server is away")

    async def lost(*_: object, **__: object) -> None:
        raise Unavailable("the session is lost")

    reacting.session.defer = lost

    with pytest.raises(Unavailable, match="session is lost"):
        await reacting.doing(carry_out).deliver()
