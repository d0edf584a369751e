"""What is shown of each event of an account, and to which readers."""

from datetime import timedelta

import pytest

from projector.projections.activity import ACTIVITY, GROUP, ITEMS, GroupHistory, GroupNames, activity, activity_keeping
from shared.events import type_of
from shared.read_model.activity import DETAILS, unpacked
from tests.support.given import Given
from tests.support.histories import DAWN, History, nth_id

ADA = nth_id(1)
BOARD = {"group_id": "00000000-0000-0000-0000-000100000000", "slug": "board", "name": "Board"}


@pytest.fixture
def history():
    """Ada, registered: one item, though it takes two events."""
    history = History()
    history.register("ada", email="ada@x.org", external_id="A1", title="Countess")
    return history


def given(history):
    return Given(activity, history.events)


def items(folded, account=ADA, *, is_public=False):
    """All that is kept of an account, the oldest first."""
    kept = folded.all(ACTIVITY)[str(account)].items
    return [unpacked(item).record(account, is_public=is_public) for item in kept]


def last(history):
    """The item of the last event: for readers who may see everything, and for everybody."""
    item, public = (items(given(history), is_public=each)[-1] for each in (False, True))
    assert item.position == history.events[-1].position
    return (item.type, item.details), public.details


def test_a_registration_is_one_item(history):
    """Everybody sees the handle, some the e-mail address and the external id."""
    [item] = items(given(history))

    assert (item.account_id, item.type, item.position) == (ADA, "account-registered", 1)
    assert (item.at, item.actor) == (DAWN + timedelta(seconds=1), "test")
    assert item.details == {"handle": "ada", "email": "ada@x.org", "external_id": "A1"}
    assert [each.details for each in items(given(history), is_public=True)] == [{"handle": "ada"}]


def test_a_changed_handle_is_told_to_everybody(history):
    history.change_handle(ADA, "countess")
    changed = {"old": "ada", "new": "countess"}

    assert (("handle-changed", changed), changed) == last(history)


def test_a_changed_address_is_told_to_some(history):
    """Everybody sees that it changed."""
    history.change_email(ADA, "c@x.org")

    assert last(history) == (("email-changed", {"old": "ada@x.org", "new": "c@x.org"}), {})


def test_a_reason_is_told_to_some(history):
    history.suspend(ADA)
    assert last(history) == (("account-suspended", {"reason": "because"}), {})

    history.reinstate(ADA)
    assert last(history) == (("account-reinstated", {"reason": None}), {})

    history.close(ADA)
    assert last(history) == (("account-closed", {"reason": None}), {})


def test_of_a_changed_profile_only_the_names_of_fields_are_told(history):
    """Cleared ones among them; what they held is nobody's history."""
    history.update(ADA, title=None, bio="Wrote notes.")
    changed = {"fields": ("title", "bio")}

    assert (("profile-updated", changed), changed) == last(history)


def test_groups_are_told_as_they_were_called_then(history):
    """Later names do not change an item."""
    board = history.create_group("board")
    history.add_member(board, ADA)
    history.rename_group(board, "Elders")
    history.change_role(board, ADA, "chair")
    history.change_slug(board, "elders")
    history.remove_member(board, ADA)

    happened = [(each.type, each.details) for each in items(given(history))]

    assert happened[1:] == [
        ("member-added", BOARD | {"role": "member"}),
        ("member-role-changed", BOARD | {"name": "Elders", "old": "member", "new": "chair"}),
        ("member-removed", BOARD | {"name": "Elders", "slug": "elders", "role": "chair"}),
    ]


def test_memberships_are_told_to_everybody(history):
    """Records of people have them too."""
    history.add_member(history.create_group("board"), ADA)
    (_, details), public = last(history)

    assert details == public


def test_the_end_of_a_group_is_no_item_of_its_members(history):
    """Nor are other events of groups: they are the group's."""
    board = history.create_group("board")
    history.add_member(board, ADA)
    before = given(history).all(ACTIVITY)

    history.rename_group(board, "Elders")
    history.delete_group(board)

    assert before == given(history).all(ACTIVITY)


def test_what_a_group_was_called_outlives_it(history):
    """An item that is folded late has what it was called then; after its end there is no name."""
    board = history.create_group("board")
    history.rename_group(board, "Elders")
    history.delete_group(board)

    remembered = given(history).all(GROUP)[str(board)]

    called = (GroupNames(3, "board", "Board"), GroupNames(4, "board", "Elders"), GroupNames(5))
    assert GroupHistory(group_id=board, called=called) == remembered
    assert [remembered.at(position).name for position in (2, 3, 4, 5, 6)] == [None, "Board", "Elders", None, None]


def test_of_each_account_the_newest_items_are_kept(history):
    """In their order; others lose none by it."""
    bob = history.register("bob")
    for nth in range(5):
        history.change_handle(ADA, f"ada{nth}")

    folded = Given(activity_keeping(3), history.events)

    assert [each.details["new"] for each in items(folded)] == ["ada2", "ada3", "ada4"]
    assert [each.type for each in items(folded, bob)] == ["account-registered"]


def test_a_group_that_never_was_stops_nothing(history):
    """An operator may have decided that its beginning shall have no effect."""
    history.add_member(history.create_group("board"), ADA)
    ahead = Given(activity, history.events[:2])

    ahead.fold(history.events[-1])

    [_, item] = items(ahead)
    assert (item.details["slug"], item.details["name"]) == (None, None)


def test_the_details_of_every_item_have_names():
    assert set(map(type_of, ITEMS)) == set(DETAILS)
