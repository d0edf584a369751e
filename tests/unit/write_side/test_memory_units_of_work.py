"""In memory nothing is locked: of two units of work that cross, the one that commits second is stale."""

from contextlib import asynccontextmanager

import pytest

from shared.events import AccountClosed, GroupDeleted, GroupUpdated, MemberAdded
from tests.support.write_side import context, create_groups, memory_write_side, register
from write_side.domain.errors import StaleAggregate
from write_side.domain.membership import Membership
from write_side.domain.references import AccountRef, GroupRef
from write_side.domain.values import Name, Role

ADA, SSAF = AccountRef.parse("@ada"), GroupRef.parse("ssaf")


@pytest.fixture
async def write_side():
    write_side = memory_write_side()
    await register(write_side, "ada", "bob")
    await create_groups(write_side, "ssaf")
    await write_side.run("add-group-member", group="ssaf", account="@bob")
    return write_side


@asynccontextmanager
async def addition(write_side):
    """A unit of work that has all but committed an addition."""
    async with write_side.units.under(context("add-group-member")) as uow:
        account, group = await uow.accounts.get_unchanging(ADA), await uow.groups.get_unchanging(SSAF)
        membership = Membership.begin(
            id=account.id, group_id=group.id, account_id=account.id, role=Role("x"), at=write_side.clock.now()
        )
        uow.memberships.add(membership)
        yield uow, membership


@pytest.mark.parametrize(
    ("name", "fields", "event"),
    [
        ("close-account", {"account": "@ada"}, AccountClosed),
        ("update-group", {"group": "ssaf", "name": "Farms"}, GroupUpdated),
        ("delete-group", {"group": "ssaf"}, GroupDeleted),
        ("add-group-member", {"group": "ssaf", "account": "@ada"}, MemberAdded),
    ],
)
async def test_an_addition_that_relied_on_what_has_changed_is_stale(write_side, name, fields, event):
    async with addition(write_side) as (uow, membership):
        await write_side.run(name, **fields)
        with pytest.raises(StaleAggregate):
            await uow.commit(membership)

    assert isinstance((await write_side.events())[-1].event, event)


@pytest.mark.parametrize(("name", "account"), [("add-group-member", "@ada"), ("remove-group-member", "@bob")])
async def test_a_deletion_that_counted_too_early_is_stale(write_side, name, account):
    async with write_side.units.under(context("delete-group")) as uow:
        group = await uow.groups.get_exclusive(SSAF)
        group.delete(members=await uow.memberships.end_all_of(group), at=write_side.clock.now())
        uow.groups.remove(group)
        await write_side.run(name, group="ssaf", account=account)
        with pytest.raises(StaleAggregate):
            await uow.commit(group)

    await write_side.run("delete-group", group="ssaf")


async def test_a_change_of_a_group_that_was_deleted_meanwhile_is_stale(write_side):
    async with write_side.units.under(context("update-group")) as uow:
        group = await uow.groups.get_exclusive(SSAF)
        group.update(name=Name("Farms"), at=write_side.clock.now())
        await write_side.run("delete-group", group="ssaf")
        with pytest.raises(StaleAggregate):
            await uow.commit(group)


async def test_a_deletion_that_is_not_committed_ends_nothing(write_side):
    async with write_side.units.under(context("delete-group")) as uow:
        group = await uow.groups.get_exclusive(SSAF)
        await uow.memberships.end_all_of(group)
        uow.groups.remove(group)

    removed = await write_side.run("remove-group-member", group="ssaf", account="@bob")

    assert removed.outcome.version == 2
