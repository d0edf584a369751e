"""Groups and memberships record what changes them, and nothing else."""

from datetime import UTC, datetime
from uuid import UUID

from shared import events
from write_side.domain.group import Group
from write_side.domain.membership import Membership
from write_side.domain.values import Description, ExternalId, Name, Role, Slug

NOW = datetime(2026, 11, 25, 8, tzinfo=UTC)
GROUP_ID, ACCOUNT_ID, MEMBERSHIP_ID = UUID(int=1), UUID(int=2), UUID(int=3)
WHO = {"membership_id": MEMBERSHIP_ID, "group_id": GROUP_ID, "account_id": ACCOUNT_ID}


def ssaf():
    """A group as it is loaded: with nothing pending."""
    group = Group.create(
        id=GROUP_ID,
        slug=Slug("ssaf"),
        name=Name("Farms"),
        description=Description("All of them"),
        external_id=ExternalId("1"),
        at=NOW,
    )
    group.forget_pending()
    return group


def membership():
    begun = Membership.begin(id=MEMBERSHIP_ID, group_id=GROUP_ID, account_id=ACCOUNT_ID, role=Role("Chair"), at=NOW)
    begun.forget_pending()
    return begun


def recorded(aggregate):
    return [pending.event for pending in aggregate.pending]


def test_a_group_begins_with_what_it_is():
    group = Group.create(
        id=GROUP_ID, slug=Slug("ssaf"), name=Name("Farms"), description=Description(""), external_id=None, at=NOW
    )

    assert recorded(group) == [events.GroupCreated(group_id=GROUP_ID, slug="ssaf", name="Farms", description="")]
    assert (group.version, group.stored_version) == (1, 0)


def test_an_update_records_what_differs():
    group = ssaf()

    group.update(slug=Slug("farms"), name=Name("Farms"), description=None, at=NOW)

    assert recorded(group) == [
        events.SlugChanged(group_id=GROUP_ID, old="ssaf", new="farms"),
        events.GroupUpdated(group_id=GROUP_ID, description=None),
    ]
    assert (group.slug, group.name, group.description, group.version) == ("farms", "Farms", None, 3)


def test_a_new_slug_alone_is_no_other_update():
    group = ssaf()

    group.update(slug=Slug("farms"), at=NOW)

    assert recorded(group) == [events.SlugChanged(group_id=GROUP_ID, old="ssaf", new="farms")]


def test_an_update_with_what_is_there_records_nothing():
    group = ssaf()

    group.update(at=NOW)
    group.update(slug=Slug("ssaf"), name=Name("Farms"), description=Description("All of them"), at=NOW)

    assert recorded(group) == []
    assert group.version == 1


def test_an_empty_description_is_not_none():
    """Two ways of having none would be one too many to compare, but they are what was said."""
    group = ssaf()

    group.update(description=Description(""), at=NOW)

    assert recorded(group) == [events.GroupUpdated(group_id=GROUP_ID, description="")]


def test_a_deletion_says_which_slug_is_free_and_how_many_memberships_ended():
    group = ssaf()

    group.delete(members=7, at=NOW)

    assert recorded(group) == [events.GroupDeleted(group_id=GROUP_ID, slug="ssaf", members=7)]


def test_a_membership_tells_its_story():
    begun = Membership.begin(id=MEMBERSHIP_ID, group_id=GROUP_ID, account_id=ACCOUNT_ID, role=Role("Member"), at=NOW)

    begun.change_role(Role("Member"), at=NOW)
    begun.change_role(Role("Chair"), at=NOW)
    begun.end(at=NOW)

    assert recorded(begun) == [
        events.MemberAdded(**WHO, role="Member"),
        events.MemberRoleChanged(**WHO, old="Member", new="Chair"),
        events.MemberRemoved(**WHO, role="Chair"),
    ]
    assert begun.version == 3


def test_the_role_a_member_has_is_no_change():
    begun = membership()

    begun.change_role(Role("Chair"), at=NOW)

    assert recorded(begun) == []


def test_roles_differ_by_case():
    begun = membership()

    begun.change_role(Role("chair"), at=NOW)

    assert recorded(begun) == [events.MemberRoleChanged(**WHO, old="Chair", new="chair")]
