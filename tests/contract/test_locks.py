"""On PostgreSQL, a command that relies on an account or a group holds it, and waits for those that change it."""

import asyncio
from contextlib import asynccontextmanager

import psycopg
import pytest

from shared.events import AccountClosed, AccountErased, GroupDeleted, MemberAdded
from shared.ids import TimeOrderedIds
from tests.support.write_side import context, create_groups, postgres_write_side, register
from write_side.domain.account import AccountAlreadyClosed
from write_side.domain.errors import GroupNotFound
from write_side.domain.membership import Membership
from write_side.domain.references import AccountRef, GroupRef
from write_side.domain.values import Role
from write_side.ports import Answer

ADA, SSAF = AccountRef.parse("@ada"), GroupRef.parse("ssaf")
BEEN_A_MEMBER = """
    insert into event_log (event_id, aggregate, aggregate_id, version, type, schema, data, metadata, occurred_at)
    select gen_random_uuid(), 'membership', gen_random_uuid(), 1, 'member-removed', 1, json_build_object(
               'type', 'member-removed', 'membership_id', gen_random_uuid(), 'group_id', groups.id,
               'account_id', accounts.id, 'role', 'x'), '{}', now()
      from groups, accounts"""
WAITING = "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"


@pytest.fixture
async def write_side(database_url):
    async with postgres_write_side(database_url) as real:
        await register(real, "ada")
        await create_groups(real, "ssaf")
        yield real


@pytest.fixture
async def session(database_url):
    """A session that begins a transaction with its first statement."""
    async with await psycopg.AsyncConnection.connect(database_url) as connection:
        yield connection


@pytest.fixture
async def waits(database_url):
    """Whether a command comes to wait for a lock before it ends; `behind` so many that wait already."""
    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as spy:

        async def waits(command, *, behind=0):
            while not command.done():
                [waiting] = await (await spy.execute(WAITING)).fetchone()
                if waiting > behind:
                    return True
                await asyncio.sleep(0.005)
            return False

        yield waits


@asynccontextmanager
async def addition(write_side):
    """A unit of work that has all but committed an addition."""
    async with write_side.units.under(context("add-group-member")) as uow:
        account, group = await uow.accounts.get_unchanging(ADA), await uow.groups.get_unchanging(SSAF)
        membership = Membership.begin(
            id=TimeOrderedIds().new(),
            group_id=group.id,
            account_id=account.id,
            role=Role("member"),
            at=write_side.clock.now(),
        )
        uow.memberships.add(membership)
        yield uow, membership


def start(write_side, name, **fields):
    return asyncio.create_task(write_side.run(name, **fields))


async def last_two(write_side):
    return [each.event for each in await write_side.events()][-2:]


@pytest.mark.parametrize(
    ("statements", "error"),
    [
        (["update accounts set status = 'closed', version = version + 1"], AccountAlreadyClosed),
        (["select from groups for update", "delete from groups"], GroupNotFound),
    ],
    ids=["closing", "deletion"],
)
async def test_an_addition_waits_for_what_ends_its_account_or_group(write_side, session, waits, statements, error):
    for statement in statements:
        await session.execute(statement)

    adding = start(write_side, "add-group-member", group="ssaf", account="@ada")

    assert await waits(adding)
    await session.commit()
    with pytest.raises(error):
        await adding


@pytest.mark.parametrize(
    ("command", "fields", "event"),
    [("close-account", {"account": "@ada"}, AccountClosed), ("delete-group", {"group": "ssaf"}, GroupDeleted)],
)
async def test_what_ends_an_account_or_a_group_waits_for_who_is_joining(write_side, waits, command, fields, event):
    """And counts the new member."""
    async with addition(write_side) as (uow, membership):
        ending = start(write_side, command, **fields)

        assert await waits(ending)
        await uow.commit(membership)
    await ending

    added, ended = await last_two(write_side)
    assert isinstance(added, MemberAdded)
    assert isinstance(ended, event)
    assert getattr(ended, "members", 1) == 1


async def test_a_deletion_counts_also_who_joins_without_queueing(write_side, session, waits):
    """The order in which groups are asked for is a courtesy; what is counted rests on the lock of the row."""
    await session.execute("select from groups for share")
    await session.execute(
        "insert into memberships select gen_random_uuid(), 1, groups.id, accounts.id, 'x' from groups, accounts"
    )

    deleting = start(write_side, "delete-group", group="ssaf")

    assert await waits(deleting)
    await session.commit()
    await deleting
    [_, deleted] = await last_two(write_side)
    assert deleted.members == 1


async def test_an_erasure_waits_for_all_that_rely_on_the_account(write_side, session, waits):
    """Before it looks for anything: a membership that began meanwhile is forgotten too."""
    await session.execute("select from accounts for share")
    await session.execute(BEEN_A_MEMBER)

    erasing = start(write_side, "erase-account", account="@ada")

    assert await waits(erasing)
    await session.commit()
    await erasing
    [_, erased] = await last_two(write_side)
    assert isinstance(erased, AccountErased)
    assert len(erased.groups) == 1


async def test_an_erasure_waits_for_the_deletion_of_a_group(write_side, session, waits):
    """And finds what is left then: otherwise it would be stale, as often as a group is deleted meanwhile."""
    await write_side.run("add-group-member", group="ssaf", account="@ada")
    await session.execute("delete from memberships")

    async with write_side.units.under(context("erase-account")) as uow:
        account = await uow.accounts.get_exclusive(ADA)
        looking = asyncio.create_task(uow.memberships.all_of(account))

        assert await waits(looking)
        await session.commit()
        assert await looking == []


@pytest.mark.parametrize(("command", "fields"), [("delete-group", {}), ("update-group", {"slug": "farms"})])
async def test_nobody_overtakes_who_waits_for_a_group(write_side, waits, command, fields):
    """However many go on being added: a later one is added later, if there is still a group to be added to."""
    await register(write_side, "bob")

    async with addition(write_side) as (uow, membership):
        changing = start(write_side, command, group="ssaf", **fields)
        assert await waits(changing)
        adding = start(write_side, "add-group-member", group="ssaf", account="@bob")

        assert await waits(adding, behind=1)
        await uow.commit(membership)
    await changing
    with pytest.raises(GroupNotFound):
        await adding


@pytest.mark.parametrize("command", ["change-member-role", "remove-group-member"])
async def test_a_change_of_a_membership_waits_for_the_deletion_of_the_group(write_side, session, waits, command):
    await write_side.run("add-group-member", group="ssaf", account="@ada")
    await session.execute("select from groups for update")
    role = {"role": "Chair"} if command == "change-member-role" else {}

    changing = start(write_side, command, group="ssaf", account="@ada", **role)

    assert await waits(changing)
    await session.execute("delete from memberships")
    await session.execute("delete from groups")
    await session.commit()
    with pytest.raises(GroupNotFound):
        await changing


async def test_two_who_are_added_do_not_wait_for_one_another(write_side):
    """What is held is shared: also between commands that add the same person to other groups."""
    await register(write_side, "bob")
    await create_groups(write_side, "other")

    async with addition(write_side) as (uow, membership):
        await write_side.run("add-group-member", group="ssaf", account="@bob")
        await write_side.run("add-group-member", group="other", account="@ada")
        await uow.commit(membership)

    events = [each.event for each in await write_side.events()]
    assert sum(isinstance(each, MemberAdded) for each in events) == 3


async def test_who_asks_for_an_outcome_waits_for_the_one_who_holds_its_key(write_side, waits):
    """While a transaction holds the key, it is not known that nothing was done."""
    running = context("suspend-account", key="k")

    async with write_side.units.under(running) as uow:
        account = await uow.accounts.get(ADA)
        account.suspend(reason=None, at=write_side.clock.now())
        asking = asyncio.create_task(write_side.units.answer_to(running))
        assert await waits(asking)
        outcome = await uow.commit(account)

    assert await asking == Answer(outcome, replayed=False)
