"""What each event makes of a person's record."""

from dataclasses import replace
from datetime import timedelta, timezone

import msgspec
import pytest

from projector.projection import LookUp
from projector.projections.profiles import Profiles
from shared.records import ProfileRecord, PublicProfileRecord, unseal
from tests.support.folding import at_once, cleanly_folded
from tests.support.histories import DAWN, History


@pytest.fixture
def given():
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


def person(history):
    """Ada's record once everything is folded."""
    [envelope] = at_once(cleanly_folded(history.events))["profile:full"].values()
    return msgspec.json.decode(unseal(envelope).body, type=ProfileRecord)


def difference(one, other):
    """The fields in which a record differs, with their new values."""
    return {name: getattr(other, name) for name in one.__struct_fields__ if getattr(one, name) != getattr(other, name)}


def after(history, *deed):
    """What changes in Ada's record by one more deed."""
    before, account_id = person(history), next(iter(history.handles))
    name, *arguments = deed
    options = arguments.pop() if arguments and isinstance(arguments[-1], dict) else {}
    getattr(history, name)(account_id, *arguments, **options)
    return difference(before, person(history))


THEN = DAWN + timedelta(seconds=3)


def test_a_registration_and_its_profile_make_one_record(given):
    """The record has what both events tell; versions are those of account and profile."""
    record = person(given)

    assert (
        record.handle,
        record.email,
        record.external_id,
        record.status,
    ) == ("Ada", "Ada@Example.org", "A1", "active")
    assert (record.display_name, record.title, record.bio) == ("Ada Lovelace", "Countess", None)
    assert (record.version, record.profile_version) == (1, 1)
    assert (DAWN + timedelta(seconds=1), DAWN + timedelta(seconds=2)) == (record.created_at, record.updated_at)


def test_half_a_person_is_served_to_nobody(given):
    """A batch may end between registration and profile: until then there is no record, and nothing leads to one."""
    half = at_once(cleanly_folded(given.events[:1]))

    assert {"registration:full"} == set(half)


def test_the_registration_goes_when_the_record_is_there(given):
    assert "registration:full" not in at_once(cleanly_folded(given.events))


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
def test_an_event_changes_its_fields_and_nothing_else(given, deed, changes):
    """Beside them the time of the update, and the version of the aggregate that the event belongs to."""
    assert changes | {"updated_at": THEN} == after(given, *deed)


def test_the_reinstated_is_active_again(given):
    after(given, "suspend")

    assert after(given, "reinstate")["status"] == "active"


def test_look_ups_are_blind_to_case_as_uniqueness_is(given):
    record = person(given)

    assert {
        LookUp("by-handle", "ada"),
        LookUp("by-email", "ada@example.org"),
        LookUp("by-external-id", "A1"),
    } == set(Profiles().index(record))


def test_who_has_no_external_id_is_found_by_none():
    history = History()
    history.register("bob")

    assert "by-external-id" not in at_once(cleanly_folded(history.events))


def test_everybody_sees_all_but_email_external_id_and_attributes(given):
    """The public document is the full one without what only some may see."""
    stored = at_once(cleanly_folded(given.events))
    [envelope] = stored["profile:public"].values()
    public = msgspec.json.decode(unseal(envelope).body)

    hidden = set(ProfileRecord.__struct_fields__) - set(public)
    assert {"email", "external_id", "attributes"} == hidden
    assert msgspec.convert(public, PublicProfileRecord) == Profiles().public(person(given))


def test_times_are_in_utc_whatever_the_database_says(given):
    """A session in another time zone makes the same bytes."""
    tokyo = timezone(timedelta(hours=9))
    elsewhere = [replace(each, occurred_at=each.occurred_at.astimezone(tokyo)) for each in given.events]

    assert at_once(cleanly_folded(given.events)) == at_once(cleanly_folded(elsewhere))
