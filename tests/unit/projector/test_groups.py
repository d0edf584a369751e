"""What each event makes of groups, of their members and of the cards that members have."""

from collections import Counter
from datetime import timedelta

import pytest
from hypothesis import given as for_all

from projector.declaring.index_entries import SortedEntry, UniqueEntry
from projector.projections.groups import GROUP, MEMBERSHIP, PERSON, REGISTRATION, groups
from shared.events import GroupDeleted, MemberAdded, MemberRemoved
from shared.read_model.ordering import GROUP_ORDERS, NUL, number_key, place, text_key, time_key
from shared.read_model.records import GroupRecord, MembershipRecord, Person
from tests.support.given import Given, difference
from tests.support.histories import DAWN, History
from tests.unit.projector.random_histories import group_histories


@pytest.fixture
def history():
    """Ada and Bob, and the board."""
    history = History()
    history.register("ada", display_name="Ada Lovelace")
    history.register("bob")
    history.create_group("board", name="The Board", description="Those who decide", external_id="B1")
    return history


@pytest.fixture
def ada(history):
    return next(iter(history.handles))


@pytest.fixture
def bob(history):
    return list(history.handles)[1]


@pytest.fixture
def board(history):
    return next(iter(history.slugs))


def given(history):
    return Given(groups, history.events)


def group_of(history, group_id):
    return given(history).all(GROUP)[str(group_id)]


def at(seconds):
    """When the event at this position happened."""
    return DAWN + timedelta(seconds=seconds)


def test_a_group_is_what_its_creation_tells(history, board):
    expected = GroupRecord(
        group_id=board,
        slug="board",
        name="The Board",
        description="Those who decide",
        external_id="B1",
        member_count=0,
        created_at=at(5),
        updated_at=at(5),
        version=1,
    )

    assert expected == group_of(history, board)


@pytest.mark.parametrize(
    ("deed", "changes"),
    [
        (lambda history, group: history.rename_group(group, "Elders"), {"name": "Elders"}),
        (lambda history, group: history.update_group(group, description=None), {"description": None}),
        (lambda history, group: history.change_slug(group, "elders"), {"slug": "elders"}),
    ],
    ids=["name", "description", "slug"],
)
def test_an_event_of_a_group_changes_its_field_version_and_time(history, board, deed, changes):
    before = group_of(history, board)

    deed(history, board)

    assert changes | {"updated_at": at(6), "version": 2} == difference(before, group_of(history, board))


def test_members_are_counted_and_change_nothing_else(history, board, ada, bob):
    """A group is not updated by those who come and go, nor by what they are in it."""
    before = group_of(history, board)
    history.add_member(board, ada)
    history.add_member(board, bob)
    history.change_role(board, ada, "chair")
    assert difference(before, group_of(history, board)) == {"member_count": 2}

    history.remove_member(board, ada)
    assert difference(before, group_of(history, board)) == {"member_count": 1}


def test_a_group_is_found_by_its_slug_and_in_every_order(history, board, ada):
    """And by the words of slug and name."""
    history.add_member(board, ada)
    keys = (text_key("The Board"), text_key("board"), time_key(at(5)), time_key(at(5)), number_key(1))

    entries = given(history).entries(GROUP, board)

    in_orders = {SortedEntry(by, b"*-" + place(key, board)) for by, key in zip(GROUP_ORDERS, keys, strict=True)}
    by_words = {each for each in entries if each.by == "word"}
    assert {UniqueEntry("by-slug", "board"), *in_orders} == entries - by_words
    assert {b"-board", b"-the"} == {each.entry.split(NUL)[0] for each in by_words}


def test_a_person_is_there_with_the_profile(history, ada):
    """Half a person is none, and is found nowhere."""
    half = Given(groups, history.events[:1])
    assert half.all(PERSON) == {}
    assert half.entries(REGISTRATION, ada) == set()

    whole = Given(groups, history.events[:2])
    assert {str(ada): Person(account_id=ada, handle="ada", display_name="Ada Lovelace", status="active")} == whole.all(
        PERSON
    )
    assert whole.all(REGISTRATION) == {}


@pytest.mark.parametrize(
    ("deed", "changes"),
    [
        (lambda history, ada: history.change_handle(ada, "countess"), {"handle": "countess"}),
        (lambda history, ada: history.update(ada, display_name="Countess"), {"display_name": "Countess"}),
        (lambda history, ada: history.update(ada, title="Countess"), {}),
        (lambda history, ada: history.change_email(ada, "c@example.org"), {}),
        (lambda history, ada: history.suspend(ada), {"status": "suspended"}),
        (lambda history, ada: (history.suspend(ada), history.reinstate(ada)), {}),
        (lambda history, ada: history.close(ada), {"status": "closed"}),
    ],
    ids=["handle", "display name", "title", "email", "suspend", "reinstate", "close"],
)
def test_a_person_has_the_current_name(history, ada, deed, changes):
    before = given(history).all(PERSON)[str(ada)]

    deed(history, ada)

    assert changes == difference(before, given(history).all(PERSON)[str(ada)])


def test_a_membership_has_a_role_and_the_time_since(history, board, ada):
    """Another role is no other membership; a member who comes back is there since then."""
    history.add_member(board, ada)
    history.change_role(board, ada, "chair")
    key = f"{board}:{ada}"
    assert {key: MembershipRecord(role="chair", since=at(6))} == given(history).all(MEMBERSHIP)

    history.remove_member(board, ada)
    assert given(history).all(MEMBERSHIP) == {}

    history.add_member(board, ada)
    assert {key: MembershipRecord(role="member", since=at(9))} == given(history).all(MEMBERSHIP)


def test_members_stand_in_the_order_in_which_they_joined(history, board, ada):
    """Among all of the group, and among those of the same role, whose text ends before the time begins."""
    history.add_member(board, ada, role="chair")
    joined = place(time_key(at(6)), ada)

    assert {
        SortedEntry("member", board.bytes + joined),
        SortedEntry("member-role", board.bytes + b"chair" + NUL + joined),
    } == given(history).entries(MEMBERSHIP, f"{board}:{ada}")


def test_what_concerns_a_group_that_is_gone_already_is_passed_over(history, board, ada):
    """After a crash the store may be ahead; its deletion is still to be folded again, and ends what comes back here."""
    history.rename_group(board, "Elders")
    history.add_member(board, ada)
    history.delete_group(board)
    ahead = Given(groups, history.events[:4])

    for recorded in history.events[5:]:
        ahead.fold(recorded)

    assert not ahead.all(GROUP)
    assert not ahead.all(MEMBERSHIP)


def test_a_membership_that_is_over_already_is_not_changed(history, board, ada):
    """The same for a membership whose end was folded before the crash."""
    history.add_member(board, ada)
    history.change_role(board, ada, "chair")
    ahead = Given(groups, history.events[:5])

    ahead.fold(history.events[-1])

    assert ahead.all(MEMBERSHIP) == {}


@for_all(log=group_histories())
def test_members_are_what_all_events_together_tell(log):
    """Each group counts its memberships, and has no others than those that began and have not ended."""
    begun, ended = Counter(), Counter()
    for event in (each.event for each in log):
        match event:
            case MemberAdded():
                begun[event.group_id, event.account_id] += 1
            case MemberRemoved():
                ended[event.group_id, event.account_id] += 1
            case GroupDeleted():
                ended += Counter({each: 1 for each in begun - ended if each[0] == event.group_id})

    folded = Given(groups, log)

    members = begun - ended
    assert {f"{group}:{account}" for group, account in members} == set(folded.all(MEMBERSHIP))
    count = Counter(str(group) for group, _ in members)
    assert {id_: count[id_] for id_ in folded.all(GROUP)} == {
        id_: group.member_count for id_, group in folded.all(GROUP).items()
    }


def test_a_profile_update_that_renames_no_person_touches_no_document():
    """Nothing is fetched for it, and it waits for nothing."""
    history = History()
    ada = history.register("ada")

    history.update(ada, title="Countess")

    assert groups.plan.touched(history.events[-1]).all() == set()
