"""What the write side promises of groups, on every adapter."""

from itertools import product
from uuid import uuid4

import pytest

from shared.events import GroupCreated, GroupDeleted, GroupUpdated, MemberRemoved, SlugChanged
from tests.support.write_side import ANDRE, SSAF, create_groups, race, register
from write_side.domain.errors import ExternalIdTaken, GroupExists, GroupNotFound, SlugTaken, VersionMismatch
from write_side.ports import Answer, Outcome


async def test_a_group_is_created_with_its_event(write_side):
    """The event log has what it is; an empty description is one."""
    answer = await write_side.run("create-group", **SSAF, description="", external_id="thomas:SSAF")

    [created] = await write_side.events()
    group_id = answer.outcome.id
    assert answer == Answer(Outcome(group_id, 1, created.position), replayed=False)
    assert (created.aggregate, created.aggregate_id, created.version) == ("group", group_id, 1)
    assert created.event == GroupCreated(group_id=group_id, **SSAF, description="", external_id="thomas:SSAF")


async def test_only_what_changes_of_a_group_is_told(write_side):
    """The slug has an event of its own, which names the old one; null clears a description, and an empty one is one."""
    [group_id] = await create_groups(write_side, "ssaf")

    described = await write_side.run("update-group", group="ssaf", name="ssaf", description="Farms")
    renamed = await write_side.run("update-group", group="ssaf", slug="farms", name="Farms", description=None)
    moved = await write_side.run("update-group", group="farms", slug="ssaf")
    emptied = await write_side.run("update-group", group="ssaf", description="")

    assert [each.event for each in (await write_side.events())[1:]] == [
        GroupUpdated(group_id=group_id, description="Farms"),
        SlugChanged(group_id=group_id, old="ssaf", new="farms"),
        GroupUpdated(group_id=group_id, name="Farms", description=None),
        SlugChanged(group_id=group_id, old="farms", new="ssaf"),
        GroupUpdated(group_id=group_id, description=""),
    ]
    assert [each.outcome.version for each in (described, renamed, moved, emptied)] == [2, 4, 5, 6]


async def test_an_update_that_changes_nothing_records_nothing(write_side):
    """It answers the version and the position of the group's last event."""
    created = await write_side.run("create-group", **SSAF, description="Farms")
    await create_groups(write_side, "other")

    answers = [
        await write_side.run("update-group", group="ssaf"),
        await write_side.run("update-group", group="ssaf", **SSAF, description="Farms"),
    ]

    assert answers == [created, created]
    assert len(await write_side.events()) == 2


async def test_a_group_is_found_by_each_reference(write_side):
    [group_id] = await create_groups(write_side, "ssaf")

    for nth, ref in enumerate(("ssaf", "SSAF", str(group_id), str(group_id).upper())):
        answer = await write_side.run("update-group", group=ref, name=f"Farms {nth}")
        assert (answer.outcome.id, answer.outcome.version) == (group_id, nth + 2)


async def test_a_group_that_is_not_there_is_not_found(write_side):
    for command, (ref, kind) in product(
        ("update-group", "delete-group"), (("nothing", "slug"), ("01a21680-0880-7314-8dae-70ef210685d4", "id"))
    ):
        with pytest.raises(GroupNotFound, match=f"No group has this {kind}"):
            await write_side.run(command, group=ref)


async def test_what_must_be_unique_among_groups_is(write_side):
    """Also where an update would take it over."""
    await write_side.run("create-group", **SSAF, external_id="1")

    with pytest.raises(SlugTaken):
        await write_side.run("create-group", name="Other", slug="ssaf", external_id="2")
    with pytest.raises(ExternalIdTaken):
        await write_side.run("create-group", name="Other", slug="other", external_id="1")
    await create_groups(write_side, "two")
    with pytest.raises(SlugTaken):
        await write_side.run("update-group", group="two", slug="ssaf")

    assert len(await write_side.events()) == 2


async def test_a_group_and_an_account_may_share_an_external_id(write_side):
    await write_side.run("register-account", **ANDRE, external_id="1")

    assert (await write_side.run("create-group", **SSAF, external_id="1")).outcome.version == 1


async def test_of_twenty_racing_groups_one_gets_the_slug(write_side):
    """The others are refused because it is taken, and leave nothing behind."""
    racers = [write_side.run("create-group", slug="same", name=f"{n}") for n in range(20)]

    outcomes = await race(write_side, *racers)

    assert sum(isinstance(each, Answer) for each in outcomes) == 1
    assert sum(isinstance(each, SlugTaken) for each in outcomes) == 19
    assert len(await write_side.events()) == 1


async def test_a_slug_that_was_given_up_is_free_at_once(write_side):
    await create_groups(write_side, "one", "two")

    await write_side.run("update-group", group="two", slug="three")
    await write_side.run("update-group", group="one", slug="two")

    assert (await write_side.run("create-group", slug="one", name="One")).outcome.version == 1


async def test_a_deleted_group_is_gone_and_its_slug_free(write_side):
    """Its external id too; its last event says what went with it."""
    created = await write_side.run("create-group", **SSAF, external_id="1")

    deleted = await write_side.run("delete-group", group="ssaf")

    *_, last = await write_side.events()
    assert last.event == GroupDeleted(group_id=created.outcome.id, slug="ssaf", members=0)
    assert deleted.outcome == Outcome(created.outcome.id, 2, last.position)
    with pytest.raises(GroupNotFound):
        await write_side.run("delete-group", group=str(created.outcome.id))
    again = await write_side.run("create-group", **SSAF, external_id="1")
    assert again.outcome.id != created.outcome.id


async def test_memberships_end_with_their_group_and_no_other(write_side):
    """One event stands for all of them."""
    await register(write_side, "ada", "bob", "cyd")
    [group_id, _] = await create_groups(write_side, "one", "two")
    for handle in ("ada", "bob", "cyd"):
        await write_side.run("add-group-member", group="one", account=f"@{handle}")
    kept = await write_side.run("add-group-member", group="two", account="@ada")
    await write_side.run("remove-group-member", group="one", account="@cyd")

    await write_side.run("delete-group", group="one")

    *others, last = (each.event for each in await write_side.events())
    assert last == GroupDeleted(group_id=group_id, slug="one", members=2)
    assert sum(isinstance(each, MemberRemoved) for each in others) == 1
    assert await write_side.run("add-group-member", group="two", account="@ada") == kept


@pytest.mark.parametrize("deleted", [False, True], ids=["living", "deleted"])
async def test_the_id_of_a_group_is_given_once(write_side, deleted):
    group_id = str(uuid4())
    await write_side.run("create-group", **SSAF, group_id=group_id)
    if deleted:
        await write_side.run("delete-group", group=group_id)

    with pytest.raises(GroupExists):
        await write_side.run("create-group", slug="other", name="Other", group_id=group_id)


async def test_an_account_and_a_group_may_share_an_id(write_side):
    """They are of different kinds, and so are their histories."""
    shared = str(uuid4())
    await write_side.run("register-account", **ANDRE, account_id=shared)

    assert (await write_side.run("create-group", **SSAF, group_id=shared)).outcome.version == 1


async def test_the_expected_version_of_a_group_is_compared(write_side):
    await create_groups(write_side, "ssaf")
    await write_side.run("update-group", group="ssaf", name="Farms", expected=1)

    for command in ("update-group", "delete-group"):
        with pytest.raises(VersionMismatch, match="Expected version 1, found 2"):
            await write_side.run(command, group="ssaf", expected=1)

    assert (await write_side.run("delete-group", group="ssaf", expected=2)).outcome.version == 3


async def test_a_deletion_is_replayed(write_side):
    """A client that lost the answer gets it again, though the group is gone, or another one has its slug."""
    await create_groups(write_side, "ssaf")
    first = await write_side.run("delete-group", key="k", group="ssaf")
    await create_groups(write_side, "ssaf")

    again = await write_side.run("delete-group", key="k", group="ssaf")

    assert again == Answer(first.outcome, replayed=True)
