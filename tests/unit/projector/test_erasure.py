"""An erased person is gone from every projection, whatever had been read, folded or parked by then."""

from contextlib import suppress

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from projector.folding.parking import Skip
from projector.projections.activity import activity
from projector.projections.groups import groups
from projector.projections.registry import PROJECTIONS
from projector.projections.stats import stats
from shared.errors import Unavailable
from shared.event_log.codec import decode, decode_metadata
from shared.event_log.ports import UNKNOWN_ORIGIN
from shared.events import EVENTS, AccountErased, Redacted
from shared.read_model.envelope import unseal
from shared.read_model.records import StatsRecord
from tests.support.bugs import bugs, of_account, poisoned, unrevising
from tests.support.examples import examples
from tests.support.folding import PROFILES, Generation, as_read, as_served, at_once
from tests.support.histories import DAWN, History
from tests.support.projections import PARKING
from tests.unit.projector.random_histories import Step, members, people, steps

TOLD = ("Zebedee", "zebedee", "quagga", "Okapi", "axolotl", "numbat", "aardwolf", "because")

on_every_projection = pytest.mark.parametrize("projection", PROJECTIONS, ids=lambda each: each.name)
on_each_that_parks = pytest.mark.parametrize("projection", PARKING, ids=lambda each: each.name)


def zebedee(history):
    """A person who has done everything, and whose every value is known."""
    account = history.register(
        "zebedee", email="quagga@example.org", external_id="okapi-7", bio="axolotl", tags=("numbat",)
    )
    here, there, gone = (history.create_group(slug) for slug in ("here", "there", "gone"))
    for group in (here, there, gone):
        history.add_member(group, account, role="aardwolf")
    history.change_role(here, account, "numbat")
    history.remove_member(there, account)
    history.delete_group(gone)
    history.change_handle(account, "Okapi")
    history.change_email(account, "zebedee@example.org")
    history.update(account, display_name="Zebedee Quagga", title="axolotl")
    history.suspend(account)
    return account


def soon_erased():
    """Of the first item only its entry and what everybody sees of it may be written when the person is erased."""
    history = History()
    history.erase(history.register("ada"))
    return history


@pytest.fixture
def history():
    """Ada, and Zebedee who was erased."""
    history = History()
    ada = history.register("ada")
    account = zebedee(history)
    history.add_member(next(iter(history.slugs)), ada)
    history.erase(account)
    return history


def everything(generation):
    """All but what was parked, which names documents, and is kept for one more commit."""
    return str({key: value for key, value in generation.store.content.items() if not key.endswith(":parked")})


def fold_in_two(history, projection, position, crashes=(), *, size=3, release=None, code="unnamed"):
    """
    Fold what was read up to a position, through crashes, before anybody behind it was erased, and then what there is.

    :param release: what folds until then.
    """
    generation = Generation(history.read_at(position), projection)
    for step in crashes:
        generation.store.torn_after = step.crash_after
        with suppress(Unavailable):
            generation.fold(release, code="the first", steps=[(step.size, step.fan_out)])
    generation.store.torn_after = None
    if not crashes:
        generation.fold(release, code="the first", size=size)
    generation.events = history.events
    generation.fold(code=code, size=size)
    return generation


@given(
    projection=st.sampled_from(PROJECTIONS),
    history=people() | members(),
    position=st.integers(0, 40),
    size=st.integers(1, 20),
)
@settings(max_examples=examples(60))
def test_what_was_folded_before_and_what_is_read_after_an_erasure_come_to_the_same(projection, history, position, size):
    """
    fold(redacted log) = fold(original log, then `AccountErased`), wherever the one was left and the other begun.

    An event that was read when it was redacted, a batch that holds both kinds, a store that came back older.
    """
    generation = fold_in_two(history, projection, position, size=size)

    assert as_served(generation.clean) == as_served(generation.held)


@given(
    projection=st.sampled_from(PROJECTIONS), history=people() | members(), position=st.integers(0, 40), crashes=steps
)
@example(projection=PROFILES, history=soon_erased(), position=1, crashes=[Step(0), Step(1, crash_after=2)])
@settings(max_examples=examples(60))
def test_any_prefix_of_a_commit_before_an_erasure_is_harmless(projection, history, position, crashes):
    """What a crash left of events that do not come again as they were."""
    generation = fold_in_two(history, projection, position, crashes)

    assert as_served(generation.clean) == as_served(as_read(generation.store.content, projection))


@given(projection=st.sampled_from(PARKING), history=people() | members(), position=st.integers(0, 40), bug=bugs)
@settings(max_examples=examples(60))
def test_what_was_parked_before_an_erasure_comes_to_the_same(projection, history, position, bug):
    release = bug.planted(projection)

    generation = fold_in_two(history, projection, position, release=release, code="one that can fold it")

    assert as_served(generation.clean) == as_served(generation.held)
    assert generation.parking.events == ()


@pytest.mark.soak
@given(
    projection=st.sampled_from(PROJECTIONS),
    history=people() | members(),
    position=st.integers(0, 40),
    crashes=steps,
    size=st.integers(1, 20),
)
@settings(max_examples=20_000, derandomize=False)
def test_very_many_erasures_come_to_the_same(projection, history, position, crashes, size):
    generation = fold_in_two(history, projection, position, crashes, size=size)

    assert as_served(generation.clean) == as_served(as_read(generation.store.content, projection))


@on_every_projection
@pytest.mark.parametrize("position", [0, 5, 11, 100])
def test_nothing_that_was_known_of_the_person_is_left(projection, history, position):
    """Wherever the erasure caught up with the projection."""
    generation = fold_in_two(history, projection, position)

    assert [told for told in TOLD if told in everything(generation)] == []


@pytest.mark.parametrize("projection", [PROFILES, groups, activity], ids=lambda each: each.name)
def test_not_even_the_id_is_left(projection, history):
    account = history.events[-1].aggregate_id

    generation = fold_in_two(history, projection, 100)

    assert str(account) not in everything(generation)
    assert repr(account.bytes)[2:-1] not in everything(generation)


def test_a_group_does_not_count_the_erased(history):
    """Nor does another fold, which never knew of the person."""
    generation = fold_in_two(history, groups, history.events[-1].position - 2)

    found = generation.held["group:full"].values()
    counts = {each["slug"]: each["member_count"] for each in (msgspec.json.decode(unseal(one).body) for one in found)}
    assert counts == {"here": 1, "there": 0}


def test_the_numbers_keep_that_a_person_was_registered(history):
    generation = fold_in_two(history, stats, 0)

    sealed = generation.held["stats:full"]["directory"]
    numbers = msgspec.json.decode(unseal(sealed).body, type=StatsRecord)
    assert (numbers.accounts.active, numbers.accounts.suspended, numbers.memberships) == (1, 0, 1)
    assert [each.count for each in numbers.registrations] == [2]


@on_each_that_parks
def test_an_erasure_does_not_wait_for_what_is_parked_of_the_person(projection, history):
    """And nothing waits for them any more: there is no release to come that could say more of them."""
    account = history.events[-1].aggregate_id
    is_theirs = of_account(account)
    release = poisoned(projection, lambda each: is_theirs(each) and not isinstance(each.event, AccountErased))

    generation = fold_in_two(history, release, history.events[-1].position - 2, code="the first")

    left = generation.parking
    assert str(account) not in str(left) or projection.name == "stats"
    assert [told for told in TOLD if told in everything(generation)] == []


def test_what_is_parked_of_a_group_does_not_keep_its_members(history):
    """The card goes at once; the count waits, as it cannot change before what came before it."""
    account = history.events[-1].aggregate_id
    [here, *_] = history.slugs
    release = poisoned(groups, lambda each: getattr(each.event, "slug", None) == "here")

    generation = fold_in_two(history, release, 0, code="the first")

    left = generation.parking
    assert {key.id for key in left.documents()} >= {str(here)}
    assert str(account) not in everything(generation)


def test_a_fan_out_that_fails_on_a_record_does_not_keep_it():
    """A rename of a group that could not be brought to the record, and is under way at the erasure."""
    history = History()
    account = zebedee(history)
    history.rename_group(next(iter(history.slugs)), "Elders")
    history.erase(account)
    release = unrevising(PROFILES, lambda id_: id_ == str(account))

    generation = fold_in_two(history, release, history.events[-1].position - 2, size=100, code="the first")

    assert str(account) not in everything(generation)
    assert generation.parking.events == ()


def test_what_was_skipped_of_a_person_goes_with_them():
    """It names their record, and what an operator wrote about it."""
    history = History()
    ada, account = history.register("ada"), history.register("zebedee")
    for each in (ada, account):
        history.update(each, title="Dr")
    generation = Generation(history.events)
    fails = poisoned(PROFILES, lambda recorded: getattr(recorded.event, "title", None) == "Dr")
    generation.fold(fails)
    for each in (ada, account):
        at_once(generation.ask(generation.parking.to_be_skipped(str(each), Skip(reason="why", by="olga", at=DAWN))))
        generation.fold(fails)

    history.erase(account)
    generation.events = history.events
    generation.fold()

    [left] = generation.parking.skipped
    assert [key.id for key in left.documents] == [str(ada)]


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.__name__)
@pytest.mark.parametrize("schema", [1, 99])
def test_a_redacted_event_can_be_read_whatever_it_was(event, schema):
    """There is nothing in it that a later release could tell in another way."""
    tag = event.__struct_config__.tag

    assert decode(b'{"type" : "redacted", "by" : 7}', type_name=tag, schema=schema) == Redacted(was=tag, by=7)
    assert decode_metadata(b'{"redacted": true}') == UNKNOWN_ORIGIN
