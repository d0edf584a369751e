"""Webhooks are kept as they were stored, and changed by one at a time, on every adapter."""

import asyncio
from datetime import timedelta
from uuid import uuid4

import msgspec
import pytest

from projector.adapters.postgres.traces import PostgresTraces
from shared.errors import Unavailable
from tests.support.clock import SettableClock
from tests.support.webhooks import ADA, BOB, EVE, NOW, webhook
from write_side.adapters.memory import MemoryDatabase
from write_side.adapters.memory.webhooks import MemoryWebhooks
from write_side.adapters.postgres.webhooks import PostgresWebhooks
from write_side.domain.errors import GroupNotFound
from write_side.domain.references import GroupRef
from write_side.webhooks.administration import change_webhook
from write_side.webhooks.ports import WebhookChanged, WebhookExists, WebhookNotFound


@pytest.fixture
def webhooks(reacting, request):
    if hasattr(reacting.deliveries, "database"):
        return MemoryWebhooks(reacting.deliveries.database)
    return PostgresWebhooks(request.getfixturevalue("database_url"))


@pytest.fixture
async def session(webhooks):
    async with webhooks.connect() as session:
        yield session


async def test_a_webhook_comes_back_as_it_was_added(session):
    added = webhook(1, types=("handle-changed", "email-changed"), account_id=ADA, group_id=BOB, with_values=True)

    await session.add(added)

    assert await session.get("hook-1") == added
    assert await session.all() == [added]


async def test_a_webhook_comes_back_as_it_was_changed(session):
    await session.add(webhook(1))
    failed = webhook(1, secret="whsec_another").failed("it answers 500", at=NOW, pause=timedelta(seconds=5))
    changed = failed.rotated("whsec_next", until=NOW).paused("enough", at=NOW)

    saved = await session.save(msgspec.structs.replace(changed, types=("group-deleted",), position=7))

    assert await session.get("hook-1") == saved
    assert saved == msgspec.structs.replace(changed, types=("group-deleted",), position=7, revision=1)


async def test_all_are_listed_by_their_names(session):
    for number in (2, 3, 1):
        await session.add(webhook(number))

    assert [each.name for each in await session.all()] == ["hook-1", "hook-2", "hook-3"]


async def test_a_name_is_that_of_one(session):
    await session.add(webhook(1))

    with pytest.raises(WebhookExists):
        await session.add(webhook(2, name="hook-1"))


async def test_what_was_changed_meanwhile_is_read_again(session):
    await session.add(webhook(1))
    read = await session.get("hook-1")
    await session.save(read.moved(5))

    with pytest.raises(WebhookChanged):
        await session.save(read.moved(3))

    assert (await session.get("hook-1")).position == 5


async def test_an_operator_changes_what_moves_meanwhile(session, webhooks):
    """Neither the position nor the pause is lost."""
    await session.add(webhook(1))

    async def move() -> None:
        for position in range(1, 20):
            await change_webhook(session, "hook-1", lambda each, position=position: each.moved(position))

    async with webhooks.connect() as another:
        _, paused = await asyncio.gather(
            move(), change_webhook(another, "hook-1", lambda each: each.paused("enough", at=NOW))
        )

    kept = await session.get("hook-1")
    assert (kept.position, kept.reason, paused.reason) == (19, "enough", "enough")


async def test_what_was_removed_is_not_stored_again(session):
    await session.add(webhook(1))
    read = await session.get("hook-1")

    await session.remove("hook-1")

    with pytest.raises(WebhookChanged):
        await session.save(read.moved(1))
    assert await session.all() == []


@pytest.mark.parametrize("ask", ["get", "remove"])
async def test_what_is_not_there_is_not_found(session, ask):
    with pytest.raises(WebhookNotFound):
        await getattr(session, ask)("hook-1")


async def test_a_group_is_named_by_its_id_or_by_its_slug(session, reacting):
    """In any case of letters; a webhook may be there before its group."""
    group = (await reacting.side.run("create-group", slug="ssaf", name="Science")).outcome.id

    found = [await session.group_id(GroupRef.parse(each)) for each in ("ssaf", "SSAF", str(group), str(EVE))]

    assert found == [group, group, group, EVE]
    with pytest.raises(GroupNotFound):
        await session.group_id(GroupRef.parse("none"))


async def test_an_erased_account_is_no_account(session, reacting):
    andre = await reacting.register()

    assert await session.has_account(andre)
    await reacting.side.run("erase-account", account=str(andre))

    assert not await session.has_account(andre)
    assert not await session.has_account(uuid4())


async def test_a_webhook_of_an_erased_account_is_no_trace(database_url):
    """An operator has limited it to the account, and without that it would get everything."""
    async with PostgresWebhooks(database_url).connect() as session:
        await session.add(webhook(1, account_id=BOB))

    assert {count async for _, count in PostgresTraces(database_url).mentions(BOB)} == {0}


async def test_a_database_that_is_away_ends_the_session():
    database = MemoryDatabase(clock=SettableClock())
    async with MemoryWebhooks(database).connect() as session:
        database.available = False

        with pytest.raises(Unavailable):
            await session.all()
