"""Whatever part of a commit comes back from a crash, folding on from the checkpoint ends right."""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import count, takewhile

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from projector.adapters.memory.store import MemoryStore, head
from projector.declaring.projection import Projection
from projector.projections.groups import groups
from projector.projections.registry import PROJECTIONS
from projector.store.writes import Write
from shared.errors import Unavailable
from shared.event_log import RecordedEvent
from shared.read_model.positions import Checkpoint
from tests.support.bugs import Bug, bugs
from tests.support.examples import examples
from tests.support.folding import PROFILES, Generation, as_read, as_served, at_once, cleanly_folded, held
from tests.support.histories import History, nth_id
from tests.support.projections import PARKING
from tests.unit.projector.random_histories import SETTLED, Step, group_histories, histories, steps

logs = histories() | group_histories()


@dataclass
class TornFile(MemoryStore):
    """
    A store with an append-only file as Redis 7.0 and 8.2 have it.

    A crash leaves the head of a transaction in the file. The first restart drops it; what is written next goes behind
    it, and the second restart executes both as one.
    """

    file: list[list[Write]] = field(default_factory=list)
    dangling: list[Write] = field(default_factory=list)

    def apply(self, transaction: Iterable[Write]) -> list[str]:
        written = list(transaction)
        if self.torn_after is not None:
            self.dangling += head(written, self.torn_after)
            self.torn_after = None
            self.restart()
            raise Unavailable("crashed")
        self.file.append([*self.dangling, *written])
        self.dangling = []
        return super().apply(written)

    def restart(self) -> None:
        """Execute the file from its beginning, a first fill that has just begun."""
        begun = {key: value for key, value in self.content.items() if key.endswith((":roster", ":live"))}
        checkpoints = [key for key in self.content if key.endswith(":checkpoint")]
        self.content = begun | dict.fromkeys(checkpoints, msgspec.json.encode(Checkpoint()))
        for transaction in self.file:
            super().apply(transaction)


def fold_with_crashes(
    log: Sequence[RecordedEvent],
    crashes: Iterable[Step],
    *,
    settled: int = SETTLED,
    rest: int = 1,
    projection: Projection = PROFILES,
    releases: Iterable[Projection] = (),
    make: type[MemoryStore] = MemoryStore,
) -> Generation:
    """
    Fold the settled events, then step by step through the crashes, then what is left in batches of `rest`.

    :param releases: what folds in the steps, one after the other; in the last of them, and after them, `projection`.
    """
    generation = Generation(log, projection, store=make())
    releases = [*releases, projection]
    steps = (Step(settled), *crashes)
    for nth, step in enumerate(steps):
        generation.store.torn_after = step.crash_after
        release = nth * len(releases) // len(steps)
        with suppress(Unavailable):
            generation.fold(releases[release], code=f"release {release}", steps=[(step.size, step.fan_out)])
    generation.store.torn_after = None
    if isinstance(generation.store, TornFile):
        generation.store.restart()
    generation.fold(code="the last one", size=rest)
    return generation


SEEN = {MemoryStore: held, TornFile: as_read}
"""What to look at in each kind of store once it has been through crashes."""

stores = st.sampled_from([*SEEN])


@given(projection=st.sampled_from(PROJECTIONS), make=stores, log=logs, crashes=steps, rest=st.integers(1, 20))
@settings(max_examples=examples(60))
def test_any_prefix_of_a_commit_is_harmless(projection, make, log, crashes, rest):
    """
    A store that kept only the heads of some commits ends as one that took the whole log at once.

    The same where the heads turn up at the second restart, in front of commits that were made without knowing of them.
    """
    generation = fold_with_crashes(log, crashes, rest=rest, projection=projection, make=make)

    assert generation.clean == SEEN[make](generation.store.content, projection)


@given(projection=st.sampled_from(PARKING), log=logs, bug=bugs, crashes=steps, make=stores)
@settings(max_examples=examples(60))
def test_any_prefix_of_a_commit_that_parks_or_retries_is_harmless(projection, log, bug, crashes, make):
    """Half-way through the crashes a release comes that can fold what the one before it had to park."""
    releases = [bug.planted(projection)]

    generation = fold_with_crashes(log, crashes, projection=projection, releases=releases, make=make)

    assert as_served(generation.clean) == as_served(as_read(generation.store.content, projection))
    assert generation.parking.events == ()


def test_a_mark_that_a_crash_left_goes_although_the_group_it_was_left_for_has_gone():
    """The next release folds what this one parked, and finds the group deleted by the same torn commit."""
    history = History()
    people = [history.register(handle) for handle in ("ada", "bob", "cyd")]
    board = history.create_group("board")
    for each in people:
        history.add_member(board, each)
    history.delete_group(board)
    for slug in ("board", "choir", "chess"):
        history.create_group(slug)
    bug, crashes = Bug(frozenset({1, 9}), frozenset()), [Step(1), Step(4, crash_after=10), Step(0), Step(0)]

    generation = fold_with_crashes(history.events, crashes, releases=[bug.planted(PROFILES)])

    assert as_served(generation.clean) == as_served(as_read(generation.store.content, PROFILES))


@given(projection=st.sampled_from(PARKING), log=logs, bug=bugs, crashes=steps, make=stores)
@settings(max_examples=examples(60))
def test_what_a_crash_leaves_of_a_commit_parks_nothing_else(projection, log, bug, crashes, make):
    """The same events are parked for the same documents as in a store that took the log at once."""
    planted = bug.planted(projection)
    clean = fold_with_crashes(log, [], settled=len(log), projection=planted)

    torn = fold_with_crashes(log, crashes, projection=planted, make=make)

    assert clean.parking.documents().keys() == torn.parking.documents().keys()
    assert _documents(clean, projection) == _documents(torn, projection)


def _documents(generation, projection):
    found = as_served(as_read(generation.store.content, projection))
    return {key: value for key, value in found.items() if ":" in key}


@pytest.mark.soak
@given(projection=st.sampled_from(PROJECTIONS), log=logs, crashes=steps, rest=st.integers(1, 20), file=st.booleans())
@settings(max_examples=50_000, derandomize=False)
def test_very_many_crashes_are_harmless(projection, log, crashes, rest, file):
    """Both of the above, for long."""
    make = TornFile if file else MemoryStore

    generation = fold_with_crashes(log, crashes, rest=rest, projection=projection, make=make)

    assert generation.clean == as_read(generation.store.content, projection)


def torn_badly(log, torn, *, before=(), between=(), settled, projection=PROFILES, make=MemoryStore, look=None):
    """After how many writes, of all that there are, the step may not crash: folded on, the store ends wrong."""
    look, clean, longest = look or SEEN[make], at_once(cleanly_folded(log, projection)), 0

    class Measured(make):  # type: ignore[valid-type]  # a class that is given
        def apply(self, transaction):
            nonlocal longest
            written = list(transaction)
            if self.torn_after is not None:
                longest = max(longest, len([*head(written, None)]))
            return super().apply(written)

    def ends_right(writes):
        steps = [*before, replace(torn, crash_after=writes), *between]
        generation = fold_with_crashes(log, steps, settled=settled, projection=projection, make=Measured)
        return look(generation.store.content, projection) == clean

    return [writes for writes in takewhile(lambda each: each <= longest, count()) if not ends_right(writes)]


def test_a_document_that_is_ahead_gets_its_look_ups_back():
    """C's document survived with handle y; A, folded again from further back, takes y and gives it up once more."""
    history = History()
    a, c = history.register("x"), history.register("q")
    history.suspend(c)
    history.change_handle(a, "y")
    history.change_handle(a, "w")
    history.change_handle(c, "y")

    assert torn_badly(history.events, Step(4), settled=4) == []


def test_no_document_is_ahead_of_its_look_ups():
    """Wherever the commit tears: a handle that was given up does not stay because the document knows it no more."""
    history = History()
    history.change_handle(history.register("x"), "y")

    assert torn_badly(history.events, Step(1), settled=2) == []


def test_a_registration_that_was_forgotten_before_the_crash_is_not_missed():
    """All of the commit survived but its checkpoint: the profile is there, what it was made from is not."""
    history = History()
    history.register("ada")

    assert torn_badly(history.events, Step(1), settled=1) == []


def test_a_registration_that_comes_back_is_forgotten():
    """The commit that forgets it found none; it stood in the head of an older one."""
    history = History()
    history.register("ada")

    assert torn_badly(history.events, Step(1), between=[Step(2)], settled=0, make=TornFile, look=held) == []


def test_a_look_up_that_comes_back_is_removed():
    """The commit that passes over handle y found it nowhere; it stood in the head of an older one."""
    history = History()
    ada = history.register("x")
    history.change_handle(ada, "y")
    history.change_handle(ada, "w")

    assert torn_badly(history.events, Step(1), between=[Step(2)], settled=2, make=TornFile, look=held) == []


@pytest.mark.parametrize("first", [Step(3, crash_after=writes) for writes in range(0, 30, 2)], ids=str)
def test_an_older_state_that_comes_back_is_overwritten(first):
    """Three crashes: the document was ahead already when the head of a commit of its older state turned up."""
    history = History()
    history.suspend(history.register("ada", external_id="A1"))
    before, between = [first, Step(1)], [Step(2)]

    assert torn_badly(history.events, Step(1), before=before, between=between, settled=0, make=TornFile) == []


BOARD_SETTLED = 7


@pytest.fixture
def board():
    """Ada and Bob belong to it; all of that is settled."""
    history = History()
    group = history.create_group("board")
    for handle in ("ada", "bob"):
        history.add_member(group, history.register(handle))
    return history


@pytest.mark.parametrize("projection", [PROFILES, groups], ids=lambda each: each.name)
def test_a_step_of_a_fan_out_that_tears_finds_its_documents_again(board, projection):
    """No member leaves the list that is walked before the document has left the group."""
    board.delete_group(next(iter(board.slugs)))

    torn = torn_badly(board.events, Step(0, fan_out=2), before=[Step(1)], settled=BOARD_SETTLED, projection=projection)

    assert torn == []


@pytest.mark.parametrize("name", ["Zoe", "Aaron"])
@pytest.mark.parametrize("before", [[], [Step(1)], [Step(1, fan_out=1)]], ids=["not-begun", "begun", "half-way"])
def test_who_was_moving_when_a_commit_tore_is_fanned_out_all_the_same(board, before, name):
    """Bob may be neither here nor there in the list until the event that moves the entry comes again."""
    board.rename_group(next(iter(board.slugs)), "Elders")
    board.register("cyd")
    board.update(nth_id(2), display_name=name)

    assert torn_badly(board.events, Step(4), before=before, settled=BOARD_SETTLED) == []


def test_who_was_moved_by_a_head_that_came_back_is_fanned_out_all_the_same(board):
    """
    It comes back between two steps of a fan-out: Bob is now before the place where it stands.

    In between an older event was brought, and the document is what it was then.
    """
    group = next(iter(board.slugs))
    board.rename_group(group, "Elders")
    board.change_slug(group, "elders")
    board.register("cyd")
    board.update(nth_id(2), display_name="Aaron")
    between = [Step(1, fan_out=2), Step(0, fan_out=2), Step(1, fan_out=1)]

    assert torn_badly(board.events, Step(5), between=between, settled=BOARD_SETTLED, make=TornFile) == []


@pytest.mark.parametrize("crash_after", range(10, 70, 3))
def test_an_entry_that_a_head_took_away_is_not_missed_by_a_fan_out(crash_after):
    """Who was changed before and after a deletion in one batch of which the head comes back leaves the group."""
    history = History()
    ada, bob = history.register("ada"), history.register("bob")
    group = history.create_group("g")
    history.add_member(group, ada)
    history.add_member(group, bob)
    settled = len(history.events)
    history.update(ada, bio="q")
    history.delete_group(group)
    for bio in "xyzuvw":
        history.update(bob, bio=bio)
    history.suspend(ada)
    crashes = [Step(50, crash_after=crash_after), Step(1)]

    generation = fold_with_crashes(history.events, crashes, settled=settled, make=TornFile)

    assert generation.clean["profile:full"] == as_read(generation.store.content)["profile:full"]
