"""Whatever is done to a group and its members at once, the event log holds a history that can have happened."""

from collections import Counter
from uuid import uuid4

import pytest

from shared.events import AccountClosed, GroupDeleted, MemberAdded, MemberRemoved, MemberRoleChanged
from tests.support.write_side import context, create_groups, race, register
from write_side.domain.account import AccountAlreadyClosed
from write_side.domain.errors import GroupNotFound, MemberNotFound, StaleAggregate
from write_side.domain.membership import Membership
from write_side.domain.references import AccountRef, GroupRef
from write_side.domain.values import Role
from write_side.ports import Answer

RACERS = 20
ROLES = ("Chair", "Clerk")
ADA, SSAF = AccountRef.parse("@ada"), GroupRef.parse("ssaf")


def answered(outcomes):
    return [each for each in outcomes if isinstance(each, Answer)]


def refusals(outcomes):
    return {type(each) for each in outcomes if not isinstance(each, Answer)}


async def story(write_side):
    return [each.event for each in await write_side.events()]


def count(events, kind):
    return sum(isinstance(each, kind) for each in events)


def names(prefix, size=RACERS):
    return [f"{prefix}{n}" for n in range(size)]


async def test_a_closed_account_is_added_to_no_group(write_side):
    """Twenty groups add the account while it closes: each that answers 200 did so before."""
    await register(write_side, "ada")
    await create_groups(write_side, *names("g"))
    additions = [write_side.run("add-group-member", group=group, account="@ada") for group in names("g")]

    outcomes = await race(write_side, *additions[:10], write_side.run("close-account", account="@ada"), *additions[10:])

    events = await story(write_side)
    assert isinstance(events[-1], AccountClosed)
    assert refusals(outcomes) <= {AccountAlreadyClosed}
    assert count(events, MemberAdded) == len(answered(outcomes)) - 1


async def test_a_deleted_group_takes_nobody_up(write_side):
    """And its last event counts all that were added in time."""
    await register(write_side, *names("p"))
    await create_groups(write_side, "ssaf")
    additions = [write_side.run("add-group-member", group="ssaf", account=f"@{handle}") for handle in names("p")]

    outcomes = await race(write_side, *additions[:10], write_side.run("delete-group", group="ssaf"), *additions[10:])

    events = await story(write_side)
    assert isinstance(events[-1], GroupDeleted)
    assert refusals(outcomes) <= {GroupNotFound}
    assert events[-1].members == count(events, MemberAdded) == len(answered(outcomes)) - 1


async def test_a_deletion_counts_who_came_and_did_not_leave(write_side):
    """Members come, leave and change roles while the group is deleted."""
    await register(write_side, *names("p"))
    await create_groups(write_side, "ssaf")
    for handle in names("p")[::2]:
        await write_side.run("add-group-member", group="ssaf", account=f"@{handle}")
    moves = []
    for number, handle in enumerate(names("p")):
        command = ("remove-group-member", "add-group-member", "change-member-role")[number % 3]
        role = {} if command == "remove-group-member" else {"role": "Chair"}
        moves.append(write_side.run(command, group="ssaf", account=f"@{handle}", **role))

    outcomes = await race(write_side, *moves[:14], write_side.run("delete-group", group="ssaf"), *moves[14:])

    events = await story(write_side)
    assert refusals(outcomes) <= {GroupNotFound, MemberNotFound}
    assert isinstance(events[-1], GroupDeleted)
    assert events[-1].members == count(events, MemberAdded) - count(events, MemberRemoved)


async def test_of_twenty_who_add_the_same_member_one_begins_the_membership(write_side):
    """The others find it, and answer the same: nothing is added twice, and nothing fails."""
    await register(write_side, "ada")
    await create_groups(write_side, "ssaf")

    answers = await race(
        write_side, *(write_side.run("add-group-member", group="ssaf", account="@ada") for _ in range(RACERS))
    )

    assert len(set(answers)) == 1
    assert count(await story(write_side), MemberAdded) == 1


async def test_of_two_roles_given_at_once_one_is_first(write_side):
    """The other one is a change."""
    await register(write_side, "ada")
    await create_groups(write_side, "ssaf")

    first, second = await race(
        write_side,
        *(write_side.run("add-group-member", group="ssaf", account="@ada", role=role) for role in ("Chair", "Clerk")),
    )

    *_, added, changed = await story(write_side)
    assert first.outcome.id == second.outcome.id
    assert {first.outcome.version, second.outcome.version} == {1, 2}
    assert isinstance(added, MemberAdded)
    assert isinstance(changed, MemberRoleChanged)
    assert (changed.old, {changed.old, changed.new}) == (added.role, {"Chair", "Clerk"})


async def test_of_twenty_who_remove_the_same_member_one_does(write_side):
    await register(write_side, "ada")
    await create_groups(write_side, "ssaf")
    await write_side.run("add-group-member", group="ssaf", account="@ada")

    outcomes = await race(
        write_side, *(write_side.run("remove-group-member", group="ssaf", account="@ada") for _ in range(RACERS))
    )

    assert len(answered(outcomes)) == 1
    assert refusals(outcomes) == {MemberNotFound}
    assert count(await story(write_side), MemberRemoved) == 1


async def test_memberships_of_one_member_never_overlap(write_side):
    """An account added and removed by many at once is always either in or out."""
    await register(write_side, "ada")
    await create_groups(write_side, "ssaf")
    moves = ["add-group-member", "remove-group-member"] * 5

    outcomes = await race(write_side, *(write_side.run(move, group="ssaf", account="@ada") for move in moves))

    tale = [each for each in await story(write_side) if isinstance(each, MemberAdded | MemberRemoved)]
    assert refusals(outcomes) <= {MemberNotFound, StaleAggregate}
    assert [type(each) for each in tale] == [(MemberAdded, MemberRemoved)[n % 2] for n in range(len(tale))]
    assert all(times <= 2 for times in Counter(each.membership_id for each in tale).values())


async def test_who_looked_for_a_member_too_early_looks_again(write_side):
    """Two find no member; one adds the account, and the other is stale: another attempt finds the membership."""
    [account_id] = await register(write_side, "ada")
    [group_id] = await create_groups(write_side, "ssaf")

    async with write_side.units.under(context("add-group-member")) as uow:
        account, group = await uow.accounts.get_unchanging(ADA), await uow.groups.get_unchanging(SSAF)
        assert await uow.memberships.find(group, account) is None
        await write_side.run("add-group-member", group="ssaf", account="@ada")
        mine = Membership.begin(
            id=uuid4(), group_id=group_id, account_id=account_id, role=Role("x"), at=write_side.clock.now()
        )
        uow.memberships.add(mine)
        with pytest.raises(StaleAggregate):
            await uow.commit(mine)

    assert count(await story(write_side), MemberAdded) == 1
