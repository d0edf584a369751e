"""What each event makes of a person's record, and where that is found."""

from datetime import timedelta, timezone

import msgspec
import pytest
from hypothesis import given as for_all
from msgspec.structs import replace

from projector.declaring.documents import DocumentMissing
from projector.declaring.index_entries import SortedEntry, UniqueEntry
from projector.projections.profiles import GROUP, PROFILE, REGISTRATION, profiles
from shared.events import (
    GroupCreated,
    GroupDeleted,
    GroupUpdated,
    MemberAdded,
    MemberRemoved,
    MemberRoleChanged,
    SlugChanged,
)
from shared.read_model.index_rows import profile_row
from shared.read_model.ordering import PROFILE_ORDERS, group_facet, place, tag_facet, text_key, time_key
from shared.read_model.records import ProfileGroup, ProfileRecord, PublicProfileRecord
from tests.support.given import Given, difference
from tests.support.histories import DAWN, History, nth_id
from tests.unit.projector.random_histories import group_histories

ADA = nth_id(1)
THEN = DAWN + timedelta(seconds=3)


@pytest.fixture
def history():
    """A history to go on with: Ada, registered with all that a profile can hold."""
    history = History()
    history.register(
        "Ada",
        email="Ada@Example.org",
        external_id="A1",
        display_name="Ada Lovelace",
        title="Countess",
        links={"notes": "https://example.org/g"},
        tags=("poet",),
        attributes={"desk": "7"},
    )
    return history


def given(history):
    return Given(profiles, history.events)


def person(history, account_id=ADA):
    """A person's record once everything is folded."""
    return given(history).all(PROFILE)[str(account_id)]


def groups(history, account_id=ADA):
    """What a person's record says of their groups: slug, name and role of each."""
    return [(each.slug, each.name, each.role) for each in person(history, account_id).groups]


def after(history, *deed):
    """What changes in Ada's record by one more deed."""
    before = person(history)
    name, *arguments = deed
    options = arguments.pop() if arguments and isinstance(arguments[-1], dict) else {}
    getattr(history, name)(ADA, *arguments, **options)
    return difference(before, person(history))


def test_a_registration_and_its_profile_make_one_record(history):
    """The record has what both events tell; versions are those of account and profile."""
    record = person(history)

    assert (
        record.handle,
        record.email,
        record.external_id,
        record.status,
    ) == ("Ada", "Ada@Example.org", "A1", "active")
    assert (record.display_name, record.title, record.bio) == ("Ada Lovelace", "Countess", None)
    assert (record.version, record.profile_version) == (1, 1)
    assert (DAWN + timedelta(seconds=1), DAWN + timedelta(seconds=2)) == (record.created_at, record.updated_at)


def test_half_a_person_is_served_to_nobody(history):
    """A batch may end between registration and profile: until then there is no record, and nothing leads to one."""
    half = Given(profiles, history.events[:1])

    [account_id] = half.all(REGISTRATION)
    assert half.all(PROFILE) == {}
    assert half.entries(REGISTRATION, account_id) == set()


def test_the_registration_goes_when_the_record_is_there(history):
    assert given(history).all(REGISTRATION) == {}


@pytest.mark.parametrize(
    ("deed", "changes"),
    [
        (("change_handle", "Countess"), {"handle": "Countess", "version": 2}),
        (("change_email", "ada@x.org"), {"email": "ada@x.org", "version": 2}),
        (("suspend",), {"status": "suspended", "version": 2}),
        (("close",), {"status": "closed", "version": 2}),
        (("update", {"title": None}), {"title": None, "profile_version": 2}),
        (("update", {"bio": "Wrote notes."}), {"bio": "Wrote notes.", "profile_version": 2}),
        (
            ("update", {"links": {}, "tags": (), "attributes": {}}),
            {"links": {}, "tags": (), "attributes": {}, "profile_version": 2},
        ),
    ],
    ids=lambda value: str(value[0]) if isinstance(value, tuple) else "",
)
def test_an_event_changes_its_fields_and_nothing_else(history, deed, changes):
    """Beside them the time of the update, and the version of the aggregate that the event belongs to."""
    assert changes | {"updated_at": THEN} == after(history, *deed)


def test_the_reinstated_is_active_again(history):
    after(history, "suspend")

    assert after(history, "reinstate")["status"] == "active"


def test_an_account_that_was_never_registered_stops_the_fold():
    history = History()
    history.suspend(ADA)

    with pytest.raises(DocumentMissing):
        given(history)


def test_look_ups_are_blind_to_case_as_uniqueness_is(history):
    unique_entries = {each for each in given(history).entries(PROFILE, ADA) if isinstance(each, UniqueEntry)}

    assert {
        UniqueEntry("by-handle", "ada"),
        UniqueEntry("by-email", "ada@example.org"),
        UniqueEntry("by-external-id", "A1"),
    } == unique_entries


def test_who_has_no_external_id_is_found_by_none():
    history = History()
    bob = history.register("bob")

    assert "by-external-id" not in {each.by for each in given(history).entries(PROFILE, bob)}


def test_everybody_sees_all_but_email_external_id_and_attributes(history):
    """These stand last."""
    assert (*PublicProfileRecord.__struct_fields__, *PROFILE.private) == ProfileRecord.__struct_fields__
    assert set(PROFILE.private) == {"email", "email_verified", "external_id", "attributes"}


def test_an_address_is_verified_until_there_is_another(history):
    """Nor is it verified at first."""
    ada, is_verified = history.register("ada"), []
    for happen in (lambda: None, lambda: history.verify_email(ada), lambda: history.change_email(ada, "b@example.org")):
        happen()
        is_verified.append(person(history, ada).email_verified)

    assert is_verified == [False, True, False]


def test_times_are_in_utc_whatever_the_database_says(history):
    """A session in another time zone makes the same bytes."""
    tokyo = timezone(timedelta(hours=9))
    elsewhere = [replace(each, occurred_at=each.occurred_at.astimezone(tokyo)) for each in history.events]

    there = Given(profiles, elsewhere).all(PROFILE)
    assert msgspec.json.encode(given(history).all(PROFILE)) == msgspec.json.encode(there)


def test_groups_are_told_in_the_order_in_which_they_were_joined(history):
    """With the role in each, which changes in that group alone; who comes back is last."""
    board, choir, chess = (history.create_group(slug) for slug in ("board", "choir", "chess"))
    for group in (choir, board, chess):
        history.add_member(group, ADA)

    history.remove_member(choir, ADA)
    history.add_member(choir, ADA, role="alto")
    history.change_role(chess, ADA, "pawn")

    assert groups(history) == [("board", "Board", "member"), ("chess", "Chess", "pawn"), ("choir", "Choir", "alto")]


def test_memberships_move_neither_versions_nor_the_time_of_the_update(history):
    """They are of account and profile, and a membership is neither."""
    group = history.create_group("board")
    before = person(history)

    history.add_member(group, ADA)
    history.change_role(group, ADA, "chair")
    history.rename_group(group, "Elders")
    assert {"groups": (ProfileGroup(group_id=group, slug="board", name="Elders", role="chair"),)} == difference(
        before, person(history)
    )

    history.remove_member(group, ADA)
    assert before == person(history)


def test_a_description_concerns_no_member(history):
    """It stands in no record."""
    history.update_group(history.create_group("board"), description="Those who decide")

    assert profiles.fan_out(history.events[-1].event) is None


def test_a_record_that_is_not_concerned_stays_itself(history):
    """Then it need not be written: `revise` may be offered any document of its kind."""
    record = person(history)
    group = history.create_group("board")
    history.rename_group(group, "Elders")
    history.change_slug(group, "elders")
    history.delete_group(group)

    for recorded in history.events[-3:]:
        assert profiles.fan_out(recorded.event).revise(str(ADA), record) is record


def test_a_group_that_is_gone_already_is_joined_by_nobody(history):
    """After a crash the store may be ahead: the deletion is still to be folded again, and is brought to nobody."""
    group = history.create_group("board")
    history.add_member(group, ADA)
    history.change_role(group, ADA, "chair")
    joined, promoted = history.events[-2:]
    ahead = Given(profiles, history.events[:2])

    ahead.fold(joined)
    ahead.fold(promoted)

    assert ahead.all(PROFILE)[str(ADA)].groups == ()


def test_a_group_is_found_by_its_slug(history):
    """In any case."""
    group = history.create_group("board")
    history.change_slug(group, "elders")
    folded = given(history)

    assert {UniqueEntry("by-slug", "elders")} == folded.entries(GROUP, group)


def test_a_person_stands_in_every_list_by_name_and_in_that_of_everybody_in_every_order(history):
    """In those of each group and of each tag, under the status."""
    group = history.create_group("board")
    history.add_member(group, ADA)
    history.suspend(ADA)
    folded = given(history)
    keys = (
        text_key("Ada Lovelace"),
        text_key("ada"),
        time_key(person(history).created_at),
        time_key(person(history).updated_at),
    )

    listed = {each for each in folded.entries(PROFILE, ADA) if isinstance(each, SortedEntry) and each.by != "word"}

    assert {
        *(SortedEntry(order, b"*s" + place(key, ADA)) for order, key in zip(PROFILE_ORDERS, keys, strict=True)),
        *(
            SortedEntry(PROFILE_ORDERS[0], facet + b"s" + place(keys[0], ADA))
            for facet in (group_facet(group), tag_facet("poet"))
        ),
    } == listed


def test_a_person_is_found_by_the_words_of_handle_names_title_and_tags(history):
    """Not by those of e-mail address, biography or groups."""
    history.update(ADA, given_name="Augusta", family_name="Byron", bio="Analyst", tags=("poet", "Éire"))
    history.add_member(history.create_group("board"), ADA)

    found = profile_row(person(history)).words.split(b"\0")[1:-1]

    assert found == [b"ada", b"augusta", b"byron", b"countess", b"eire", b"lovelace", b"poet"]


def recomputed_groups(events, account_id):
    """The groups of a person: what each is called in the end, and the role in those not left."""
    called, joined = {}, {}
    for event in (each.event for each in events):
        match event:
            case GroupCreated():
                called[event.group_id] = (event.slug, event.name)
            case SlugChanged():
                called[event.group_id] = (event.new, called[event.group_id][1])
            case GroupUpdated():
                called[event.group_id] = (called[event.group_id][0], event.name)
            case GroupDeleted():
                joined.pop(event.group_id, None)
            case MemberAdded() if event.account_id == account_id:
                joined[event.group_id] = event.role
            case MemberRoleChanged() if event.account_id == account_id:
                joined[event.group_id] = event.new
            case MemberRemoved() if event.account_id == account_id:
                del joined[event.group_id]
    return [(*called[group_id], role) for group_id, role in joined.items()]


@for_all(log=group_histories())
def test_groups_are_what_all_events_together_tell(log):
    """However joining, renaming, leaving and deleting are mixed."""
    for account_id, profile in Given(profiles, log).all(PROFILE).items():
        told = [(each.slug, each.name, each.role) for each in profile.groups]

        assert recomputed_groups(log, profile.account_id) == told, account_id
