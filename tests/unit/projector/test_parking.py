"""An event that cannot be folded holds up the documents it would write, and nothing else."""

from contextlib import suppress
from types import SimpleNamespace

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from projector.declaring.partitioning import divided
from projector.declaring.projection import Projection
from projector.folding import code_version as naming
from projector.folding.code_version import code_version
from projector.folding.fold import ProjectionFold
from projector.folding.parking import Skip
from projector.processing.circuit_breaker import CircuitBreaker, TooManyParked
from projector.processing.commit import GenerationWriter, Standing
from projector.processing.limits import BreakerLimits
from projector.projections.activity import activity
from projector.projections.profiles import profiles
from projector.projections.stats import stats
from shared.errors import Unavailable
from shared.read_model.activity import AccountActivity, unpacked
from shared.read_model.envelope import unseal
from shared.read_model.partitions import Partitions
from tests.support.bugs import bugs, of_account, poisoned, unrevising
from tests.support.examples import examples
from tests.support.folding import PROFILES, Generation, as_served, at_once, parked
from tests.support.histories import DAWN, History, nth_id
from tests.support.projections import PARKING, derived
from tests.unit.projector.random_histories import group_histories, histories

logs = histories() | group_histories()
sizes = st.lists(st.tuples(st.integers(1, 9), st.integers(0, 2)), max_size=8)


class Directory(Generation):
    """As it is served."""

    @property
    def held(self):
        return as_served(super().held)

    @property
    def clean(self):
        return as_served(super().clean)


@given(
    projection=st.sampled_from(PARKING),
    log=logs,
    releases=st.lists(st.tuples(bugs, sizes), min_size=1, max_size=3),
    last=sizes,
)
@settings(max_examples=examples(60))
def test_once_every_event_can_be_folded_all_is_as_if_none_had_failed(projection, log, releases, last):
    """Whatever failed, however often other code failed on it, and however far the log was folded meanwhile."""
    directory = Directory(log, projection)
    for number, (bug, steps) in enumerate(releases):
        directory.fold(bug.planted(projection), code=f"buggy {number}", steps=steps or None)

    directory.fold(code="mended", steps=last)
    directory.fold(code="mended")

    assert directory.clean == directory.held
    assert (directory.parking.events, directory.checkpoint.parked) == ((), 0)


@given(log=logs, steps=sizes, since=st.integers(0, 20))
def test_nobody_else_is_behind(log, steps, since):
    """One account's events fail from some time on: the records of all others are what they should be."""
    bad = str(nth_id(2))
    directory = Directory(log)
    fails = of_account(nth_id(2))
    planted = poisoned(PROFILES, lambda recorded: recorded.position > since and fails(recorded))

    directory.fold(planted, steps=steps)
    directory.fold(planted)

    assert _without(bad, directory.clean["profile:full"]) == _without(bad, directory.held["profile:full"])
    assert directory.checkpoint.position == log[-1].position
    failed = [each.position for each in log if each.position > since and fails(each)]
    before = Directory([each for each in log if each.position < min(failed, default=len(log) + 1)])
    before.fold()
    assert (bad in before.held.get("profile:full", {})) == (bad in directory.held["profile:full"])
    assert failed == [each.position for each in directory.parking.events if not each.is_fan_out]


def _without(id_, documents):
    return {key: value for key, value in documents.items() if key != id_}


ADA, BOB = nth_id(1), nth_id(2)
SKIP = Skip(reason="it never was", by="olga", at=DAWN)


@pytest.fixture
def history():
    """Ada and Bob belong to a group."""
    history = History()
    group = history.create_group("board", name="Board")
    for handle in ("ada", "bob"):
        history.add_member(group, history.register(handle))
    return history


def group_of(history):
    return next(iter(history.slugs))


def from_position(position, fails):
    return lambda recorded: recorded.position >= position and fails(recorded)


def profile(directory, account_id):
    """The record as it is served: JSON, `stale_since` included."""
    sealed = unseal(directory.store.field("muster:{0}:profiles:g1:profile:full", str(account_id)))
    return msgspec.json.decode(sealed.body)


def test_a_parked_document_is_served_in_its_last_good_state_and_says_so(history):
    """Since the first event that waits, by the clock of the log; with another entity tag; to everybody."""
    directory = Directory(history.events)
    directory.fold()
    good, tag = profile(directory, ADA), etag(directory, ADA)
    history.update(ADA, title="Dr")
    history.update(ADA, title="Prof")
    fails = poisoned(PROFILES, from_position(len(history.events) - 1, of_account(ADA)))

    directory.fold(fails)

    since = {"stale_since": "2026-11-25T08:00:08Z"}
    assert good | since == profile(directory, ADA)
    assert tag != etag(directory, ADA)
    assert "stale_since" not in profile(directory, BOB)
    assert [each.position for each in directory.parking.events] == [8, 9]
    assert [each.failure and each.failure.error for each in directory.parking.events] == ["ValueError", None]


def etag(directory, account_id):
    return unseal(directory.store.field("muster:{0}:profiles:g1:profile:full", str(account_id))).etag


def test_what_waits_is_folded_in_its_order(history):
    """The last of several changes is the one that stays, and the mark goes."""
    directory = Directory(history.events)
    for title in ("Dr", "Prof", "Dame"):
        history.update(ADA, title=title)
    directory.fold(poisoned(PROFILES, lambda recorded: recorded.position == 8))

    directory.fold(code="mended", steps=[(1, 0), (1, 0)])
    assert (profile(directory, ADA)["title"], "stale_since" in profile(directory, ADA)) == ("Prof", True)
    directory.fold(code="mended")

    assert (profile(directory, ADA)["title"], "stale_since" in profile(directory, ADA)) == ("Dame", False)


def test_the_same_code_does_not_try_again(history):
    """However often it is started: the revision tells."""
    directory = Directory(history.events)
    history.update(ADA, title="Dr")
    fails = poisoned(PROFILES, of_account(ADA))
    directory.fold(fails)
    before = directory.checkpoint

    directory.fold(fails)

    assert before == directory.checkpoint


def test_who_only_reads_a_parked_document_goes_on_with_its_last_good_state(history):
    """A newcomer joins a group whose new name cannot be folded; later it gets there, and no record goes back."""
    directory = Directory(history.events)
    history.rename_group(group_of(history), "Elders")
    renamed = history.events[-1].position
    newcomer = history.register("cyd")
    history.add_member(group_of(history), newcomer)
    directory.fold(poisoned(PROFILES, lambda recorded: recorded.position == renamed))
    record = profile(directory, newcomer)
    assert (record["groups"][0]["name"], "stale_since" in record) == ("Board", False)
    reached = directory.checkpoint.reached

    directory.fold(code="mended", steps=[(9, 0)])
    assert directory.checkpoint.fan_outs
    assert reached == directory.checkpoint.reached
    directory.fold(code="mended")

    assert {"Elders"} == {profile(directory, each)["groups"][0]["name"] for each in (ADA, BOB, newcomer)}


def test_activity_tells_the_name_of_the_time_however_late(history):
    """Ada's item is folded after the group was renamed and deleted; it holds up neither of these, nor another."""
    history.change_role(group_of(history), ADA, "chair")
    history.change_role(group_of(history), BOB, "clerk")
    history.rename_group(group_of(history), "Elders")
    history.delete_group(group_of(history))
    directory = Directory(history.events, activity)

    directory.fold(poisoned(activity, lambda recorded: recorded.position == 8))
    assert [each.position for each in directory.parking.events] == [8]
    directory.fold(code="mended")

    assert item(directory, 8)["name"] == "Board"
    assert directory.clean == directory.held


def test_what_happens_in_a_group_whose_name_is_parked_waits(history):
    """It is not known what to call it; what else happens to the same people is told behind it."""
    history.rename_group(group_of(history), "Elders")
    history.change_role(group_of(history), ADA, "chair")
    history.update(ADA, title="Dr")
    directory = Directory(history.events, activity)

    directory.fold(poisoned(activity, lambda recorded: recorded.position == 8))
    assert [each.position for each in directory.parking.events] == [8, 9, 10]
    directory.fold(code="mended")

    assert item(directory, 9)["name"] == "Elders"
    assert directory.clean == directory.held


def item(directory, position):
    """What activity tells Ada of an event."""
    sealed = unseal(directory.store.field("muster:{0}:activity:g1:activity:full", str(ADA)))
    items = map(unpacked, msgspec.json.decode(sealed.body, type=AccountActivity).items)
    return next(each.record(ADA).details for each in items if each.position == position)


def test_who_reads_what_never_was_waits(history):
    """The group's beginning cannot be folded: a member who joins would silently not belong to it."""
    directory = Directory(history.events)
    group = history.create_group("choir", name="Choir")
    created = history.events[-1].position
    history.add_member(group, ADA)

    directory.fold(poisoned(PROFILES, lambda recorded: recorded.position == created))

    assert profile(directory, ADA)["stale_since"] == "2026-11-25T08:00:09Z"
    directory.fold(code="mended")
    assert [each["name"] for each in profile(directory, ADA)["groups"]] == ["Board", "Choir"]
    assert directory.clean == directory.held


def test_a_fan_out_that_fails_for_one_document_parks_that_document(history):
    """The others have the new name; the event itself is not parked."""
    directory = Directory(history.events)
    history.rename_group(group_of(history), "Elders")

    directory.fold(unrevising(PROFILES, lambda id_: id_ == str(ADA)))

    assert tuple(profile(directory, each)["groups"][0]["name"] for each in (ADA, BOB)) == ("Board", "Elders")
    (part,) = directory.parking.events
    assert (part.is_fan_out, part.documents[0].id, part.failure.error) == (True, str(ADA), "KeyError")
    assert profile(directory, ADA)["stale_since"] == "2026-11-25T08:00:08Z"


def test_what_is_skipped_has_no_effect_and_its_reason_is_kept(history):
    """What waits behind it is folded."""
    directory = Directory(history.events)
    history.update(ADA, title="Dr")
    history.update(ADA, given_name="Augusta")
    fails = poisoned(PROFILES, lambda recorded: recorded.position == 8)
    directory.fold(fails)

    at_once(directory.ask(directory.parking.to_be_skipped(str(ADA), SKIP)))
    directory.fold(fails)

    record = profile(directory, ADA)
    assert (record["title"], record["given_name"], "stale_since" in record) == (None, "Augusta", False)
    (skipped,) = directory.parking.skipped
    assert (skipped.position, skipped.error, skipped.skip) == (8, "ValueError", SKIP)
    assert directory.parking.events == ()


def test_what_is_skipped_last_takes_the_mark_along(history):
    directory = Directory(history.events)
    good = Directory(list(history.events))
    good.fold()
    history.update(ADA, title="Dr")
    fails = poisoned(PROFILES, of_account(ADA))
    directory.fold(code="mended", steps=[(7, 9)])
    directory.fold(fails)

    at_once(directory.ask(directory.parking.to_be_skipped(str(ADA), SKIP)))
    directory.fold(fails)

    assert profile(good, ADA) == profile(directory, ADA)


@pytest.mark.parametrize("crash_after", range(30))
def test_a_skip_that_tears_is_done_again(history, crash_after):
    """It was written down before anything was done: whatever a crash leaves, the end is the same."""
    directory = Directory(history.events)
    history.update(ADA, title="Dr")
    history.change_handle(ADA, "lady")
    fails = poisoned(PROFILES, lambda recorded: recorded.position == 8)
    directory.fold(fails)
    at_once(directory.ask(directory.parking.to_be_skipped(str(ADA), SKIP)))
    directory.store.torn_after = crash_after

    with pytest.raises(Unavailable):
        directory.fold(fails)
    directory.fold(fails)

    assert (directory.parking.events, len(directory.parking.skipped)) == ((), 1)
    assert (profile(directory, ADA)["title"], profile(directory, ADA)["handle"]) == (None, "lady")
    assert {"lady", "bob"} == directory.held["by-handle"].keys()


@pytest.mark.parametrize("crash_after", range(30))
def test_a_retry_that_tears_begins_its_fan_out_all_the_same(history, crash_after):
    """Between what is parked and the checkpoint, too: only the checkpoint says what is parked."""
    directory = Directory(history.events)
    history.rename_group(group_of(history), "Elders")
    history.update(ADA, title="Dr")
    directory.fold(poisoned(PROFILES, lambda recorded: recorded.position in {8, 9}))
    better = poisoned(PROFILES, lambda recorded: recorded.position == 9)
    directory.store.torn_after = crash_after

    with suppress(Unavailable):
        directory.fold(better, code="better")
    directory.fold(better, code="better")
    directory.fold(code="mended")

    assert {"Elders"} == {profile(directory, each)["groups"][0]["name"] for each in (ADA, BOB)}
    assert directory.clean == directory.held


def test_a_retry_by_hand_tries_once(history):
    directory = Directory(history.events)
    history.update(ADA, title="Dr")
    fails = poisoned(PROFILES, from_position(8, of_account(ADA)))
    directory.fold(fails)

    at_once(directory.ask(asked := directory.parking.to_be_retried(str(ADA))))
    assert [each.failure.code for each in asked.events] == [""]
    directory.fold(fails)

    assert [each.failure.code for each in directory.parking.events] == ["buggy"]


@pytest.mark.parametrize("size", [1, 50])
def test_of_two_that_claim_a_handle_the_later_one_has_it(history, size):
    """Ada's giving it up waits for the bug to be mended; Bob has it since, in the same batch or in another."""
    directory = Directory(history.events)
    directory.fold()
    history.change_email(BOB, "bob@example.com")
    history.change_handle(ADA, "x")
    history.change_handle(ADA, "y")
    history.change_handle(BOB, "x")
    fails = poisoned(PROFILES, lambda recorded: recorded.position == 10)

    directory.fold(fails, steps=[(size, 0)] * 4)

    assert {"ada", "bob"} & directory.held["by-handle"].keys() == set()
    assert str(BOB).encode() == directory.held["by-handle"]["x"]


def test_who_keeps_a_handle_because_its_change_is_skipped_is_found_by_it(history):
    """Another had it in between, and took it along when leaving it."""
    directory = Directory(history.events)
    directory.fold()
    history.change_handle(ADA, "y")
    history.change_handle(BOB, "ada")
    history.change_handle(BOB, "z")
    fails = poisoned(PROFILES, lambda recorded: recorded.position == 8)
    directory.fold(fails, steps=[(1, 0)] * 3)
    assert {"z"} == directory.held["by-handle"].keys()

    at_once(directory.ask(directory.parking.to_be_skipped(str(ADA), SKIP)))
    directory.fold(fails)

    assert {"ada", "z"} == directory.held["by-handle"].keys()


def test_whose_change_of_handle_is_skipped_does_not_take_it_from_who_has_it(history):
    """Though more is folded of Ada since than of Bob: Bob has it in truth, Ada only because something was skipped."""
    directory = Directory(history.events)
    history.change_handle(ADA, "y")
    history.change_handle(BOB, "ada")
    history.update(ADA, title="Dr")
    fails = poisoned(PROFILES, lambda recorded: recorded.position == 8)
    directory.fold(fails)

    at_once(directory.ask(directory.parking.to_be_skipped(str(ADA), SKIP)))
    directory.fold(fails)

    assert (profile(directory, ADA)["title"], directory.parking.events) == ("Dr", ())
    assert {"ada": str(BOB).encode()} == directory.held["by-handle"]


@pytest.fixture
def breaker():
    return CircuitBreaker(projection="profiles")


def test_more_than_so_many_failures_in_a_minute_stop_the_projection(breaker):
    """It stays stopped: this code would only park so many more the next minute."""
    breaker.check(failed=60, parked=60)
    breaker.check(failed=40, parked=100)

    for _ in range(2):
        with pytest.raises(TooManyParked, match=r"profiles: more than 100 events could not be folded within a minute"):
            breaker.check(failed=1, parked=101)


def test_failures_of_long_ago_are_no_sign_of_bad_code():
    times = iter([0.0, 61.0])
    breaker = CircuitBreaker(projection="profiles", now=lambda: next(times))
    breaker.check(failed=100, parked=100)

    breaker.check(failed=100, parked=200)


def test_a_queue_that_grows_without_end_stops_the_projection(breaker):
    with pytest.raises(TooManyParked, match="more than 10000 events are parked"):
        breaker.check(failed=1, parked=10_001)


def test_what_waits_behind_one_failure_is_counted_as_well():
    """All that the directory's numbers count waits, once they are stale."""
    breaker = CircuitBreaker(projection="stats", limits=BreakerLimits(parked=5))
    history = History()
    for number in range(7):
        history.register(f"p{number}")
    directory, first = Directory(history.events, stats), history.events[0].position
    fails = ProjectionFold(poisoned(stats, lambda recorded: recorded.position == first), code="buggy")

    writer = GenerationWriter(fold=fails, model=directory.model, generation="g1", breaker=breaker)

    async def commit_one_by_one():
        for event in history.events:
            await writer.commit_events([event], Standing(directory.checkpoint))

    with pytest.raises(TooManyParked, match="more than 5 events are parked"):
        at_once(commit_one_by_one())

    assert len(at_once(parked(directory.model, stats)).events) == 5


def test_other_code_has_another_name():
    """A fix that raises no number is other code all the same; the same code is the same after a restart."""
    other = poisoned(PROFILES, lambda _: False)

    assert code_version(PROFILES) == code_version(derived(PROFILES, Projection))
    assert code_version(PROFILES) != code_version(other)
    assert code_version(PROFILES).startswith(f"{PROFILES.version}+")


@pytest.mark.parametrize("package", ["projector", "shared"])
def test_a_fix_beside_a_projection_is_other_code_too(monkeypatch, tmp_path, package):
    """Wherever it is in the packages on which a projection may rely."""
    for kept in ("_release_and_digest", "_digest_of_packages"):
        monkeypatch.setattr(naming, kept, getattr(naming, kept).__wrapped__)
    monkeypatch.setattr(naming, package, SimpleNamespace(__file__=tmp_path / "__init__.py"))
    source = tmp_path / "room" / "module.py"
    source.parent.mkdir()
    source.write_text("wrong")
    before = code_version(PROFILES)

    source.write_text("right")

    assert code_version(PROFILES) != before


def test_all_parts_of_a_projection_are_one_code(monkeypatch):
    """Its sources are read once for all of them."""
    first, *others = divided(profiles, Partitions(3)).parts
    name = code_version(first)
    monkeypatch.setattr("projector.folding.code_version.Path", lambda _: pytest.fail("they were read again"))

    assert {code_version(each) for each in others} == {name}
