"""What the write side promises of memberships, on every adapter."""

from itertools import product
from uuid import uuid4

import pytest

from shared.events import MemberAdded, MemberRemoved, MemberRoleChanged
from tests.support.write_side import ANDRE, SSAF, create_groups, register
from write_side.domain import errors
from write_side.domain.account import AccountAlreadyClosed
from write_side.ports import Answer, Outcome

ADA = {"group": "ssaf", "account": "@ada"}
CHANGES = (("change-member-role", {"role": "X"}), ("remove-group-member", {}))


async def test_a_member_is_added_with_an_event(write_side):
    """What is answered is the membership: it has an id and a version of its own."""
    [account_id] = await register(write_side, "ada")
    [group_id] = await create_groups(write_side, "ssaf")

    answer = await write_side.run("add-group-member", **ADA, role="Chair")

    *_, last = await write_side.events()
    membership_id = answer.outcome.id
    assert answer == Answer(Outcome(membership_id, 1, last.position), replayed=False)
    assert (last.aggregate, last.aggregate_id, last.version) == ("membership", membership_id, 1)
    assert last.event == MemberAdded(
        membership_id=membership_id, group_id=group_id, account_id=account_id, role="Chair"
    )


async def test_an_account_added_without_a_role_is_a_member(write_side):
    await register(write_side, "ada")
    await create_groups(write_side, "ssaf")

    added = await write_side.run("add-group-member", **ADA)

    assert (await write_side.events())[-1].event.role == "member"
    assert await write_side.run("add-group-member", **ADA, role="member") == added


async def test_account_and_group_are_found_by_each_reference(write_side):
    person = (await write_side.run("register-account", **ANDRE, external_id="bioguide:C001072")).outcome.id
    committee = (await write_side.run("create-group", **SSAF)).outcome.id
    for account, group in product(
        ("@ANDRE.carson", "ext:bioguide:C001072", str(person)), ("ssaf", "SSAF", str(committee))
    ):
        refs = {"account": account, "group": group}
        answers = [
            await write_side.run("add-group-member", **refs),
            await write_side.run("change-member-role", **refs, role="Chair"),
            await write_side.run("remove-group-member", **refs),
        ]

        event = (await write_side.events())[-1].event
        assert (event.account_id, event.group_id) == (person, committee), refs
        assert [answer.outcome.version for answer in answers] == [1, 2, 3], refs


async def test_what_changes_nothing_of_a_member_records_nothing(write_side):
    """It answers the version and the position of the membership's last event."""
    await register(write_side, "ada", "bob")
    await create_groups(write_side, "ssaf")
    added = await write_side.run("add-group-member", **ADA, role="Chair")
    await write_side.run("add-group-member", group="ssaf", account="@bob")
    before = await write_side.events()

    again = await write_side.run("add-group-member", **ADA, role="Chair")
    kept = await write_side.run("change-member-role", **ADA, role="Chair")

    assert [again, kept] == [added, added]
    assert await write_side.events() == before


async def test_another_role_is_a_change(write_side):
    """Also for an account that is added again, and if only the case differs."""
    [account_id] = await register(write_side, "ada")
    [group_id] = await create_groups(write_side, "ssaf")
    added = await write_side.run("add-group-member", **ADA, role="Member")
    ids = {"membership_id": added.outcome.id, "group_id": group_id, "account_id": account_id}

    changed = await write_side.run("change-member-role", **ADA, role="Chair")
    again = await write_side.run("add-group-member", **ADA, role="chair")

    *_, first, last = await write_side.events()
    assert changed.outcome == Outcome(added.outcome.id, 2, first.position)
    assert again.outcome == Outcome(added.outcome.id, 3, last.position)
    assert first.event == MemberRoleChanged(**ids, old="Member", new="Chair")
    assert last.event == MemberRoleChanged(**ids, old="Chair", new="chair")


async def test_who_comes_back_begins_a_new_membership(write_side):
    [account_id] = await register(write_side, "ada")
    [group_id] = await create_groups(write_side, "ssaf")
    first = await write_side.run("add-group-member", **ADA, role="Chair")

    removed = await write_side.run("remove-group-member", **ADA)
    second = await write_side.run("add-group-member", **ADA)

    ended, begun = await write_side.events_after(first.outcome.position)
    assert ended.event == MemberRemoved(
        membership_id=first.outcome.id, group_id=group_id, account_id=account_id, role="Chair"
    )
    assert removed.outcome == Outcome(first.outcome.id, 2, ended.position)
    assert second.outcome.id != first.outcome.id
    assert (begun.aggregate_id, begun.version) == (second.outcome.id, 1)


async def test_who_is_no_member_is_not_found(write_side):
    """Neither one that never was, nor a removed one, nor a member of another group or of a deleted one."""
    await register(write_side, "ada", "bob")
    await create_groups(write_side, "ssaf", "other")
    await write_side.run("add-group-member", group="other", account="@ada")
    await write_side.run("add-group-member", group="ssaf", account="@bob")
    await write_side.run("remove-group-member", group="ssaf", account="@bob")

    async def look_for(handle, group):
        for command, role in CHANGES:
            with pytest.raises(errors.MemberNotFound):
                await write_side.run(command, group=group, account=f"@{handle}", **role)

    await look_for("ada", "ssaf")
    await look_for("bob", "ssaf")
    await write_side.run("delete-group", group="other")
    await create_groups(write_side, "other")
    await look_for("ada", "other")


async def test_a_member_of_nothing_or_nobody_is_not_found(write_side):
    await register(write_side, "ada")
    await create_groups(write_side, "ssaf")
    for command, role in (("add-group-member", {"role": "Chair"}), *CHANGES):
        with pytest.raises(errors.AccountNotFound, match="has this handle"):
            await write_side.run(command, group="ssaf", account="@nobody", **role)
        with pytest.raises(errors.GroupNotFound, match="has this slug"):
            await write_side.run(command, group="nothing", account="@ada", **role)
        with pytest.raises(errors.GroupNotFound, match="has this id"):
            await write_side.run(command, group=str(uuid4()), account="@ada", **role)


async def test_a_closed_account_is_added_to_nothing(write_side):
    """But it remains a member, may get another role and can be removed."""
    await register(write_side, "ada")
    await create_groups(write_side, "ssaf", "other")
    await write_side.run("add-group-member", **ADA)
    await write_side.run("close-account", account="@ada")

    for group in ("ssaf", "other"):
        with pytest.raises(AccountAlreadyClosed):
            await write_side.run("add-group-member", group=group, account="@ada")

    assert (await write_side.run("change-member-role", **ADA, role="Emeritus")).outcome.version == 2
    assert (await write_side.run("remove-group-member", **ADA)).outcome.version == 3


async def test_a_suspended_account_is_added_like_any_other(write_side):
    await register(write_side, "ada")
    await create_groups(write_side, "ssaf")
    await write_side.run("suspend-account", account="@ada")

    assert (await write_side.run("add-group-member", **ADA)).outcome.version == 1


async def test_the_expected_version_is_that_of_the_membership(write_side):
    """One that is still to begin has the version 0."""
    await register(write_side, "ada")
    await create_groups(write_side, "ssaf")

    with pytest.raises(errors.VersionMismatch, match="Expected version 1, found 0"):
        await write_side.run("add-group-member", **ADA, expected=1)
    added = await write_side.run("add-group-member", **ADA, expected=0)
    changed = await write_side.run("change-member-role", **ADA, role="Chair", expected=1)
    for command, role in CHANGES:
        with pytest.raises(errors.VersionMismatch, match="Expected version 1, found 2"):
            await write_side.run(command, **ADA, **role, expected=1)
    removed = await write_side.run("remove-group-member", **ADA, expected=2)

    assert [each.outcome.version for each in (added, changed, removed)] == [1, 2, 3]


async def test_an_addition_is_replayed(write_side):
    """Also after the member was removed: it is not added again."""
    await register(write_side, "ada")
    await create_groups(write_side, "ssaf")
    first = await write_side.run("add-group-member", key="k", **ADA)
    await write_side.run("remove-group-member", **ADA)

    again = await write_side.run("add-group-member", key="k", **ADA)

    assert again == Answer(first.outcome, replayed=True)
    with pytest.raises(errors.MemberNotFound):
        await write_side.run("remove-group-member", **ADA)
    with pytest.raises(errors.IdempotencyMismatch):
        await write_side.run("add-group-member", key="k", **ADA, role="Chair")
