"""What is parked is no difference, and hides none."""

from contextlib import nullcontext, suppress
from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from projector.audit.verify.fold import Fold, RecordsAhead
from projector.audit.verify.verification import ReadModelUnstable
from projector.folding.parking import Skip
from projector.projections.activity import activity
from projector.projections.groups import groups
from projector.projections.profiles import profiles
from tests.support.bugs import bugs, poisoned
from tests.support.examples import examples
from tests.support.folding import PROFILES, at_once
from tests.support.histories import DAWN, History
from tests.support.projections import PARKING
from tests.support.verifying import LiveGeneration, differences_in
from tests.unit.projector.random_histories import SETTLED, group_histories, histories

SKIP = Skip(reason="it never was", by="olga", at=DAWN)
logs = histories() | group_histories()
sizes = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 2)), min_size=1, max_size=8)
releases = st.lists(st.tuples(bugs, sizes, st.booleans()), min_size=1, max_size=4)


class Scene(LiveGeneration):
    """One in which events are parked."""

    def skip(self):
        """Have the first event that is parked dropped."""
        if self.parking.events:
            at_once(self.ask(self.parking.to_be_skipped(self.parking.events[0].documents[0].id, SKIP)))

    @property
    def is_retrying(self):
        return any(each.since for each in self.checkpoint.fan_outs)


@given(projection=st.sampled_from(PARKING), log=logs, releases=releases)
@settings(max_examples=examples(30))
def test_nothing_is_found_whatever_is_parked(projection, log, releases):
    """Wherever a projector stops, whatever its release cannot fold, and whatever is skipped."""
    scene = Scene(log, projection)
    for number, (bug, steps, skips) in enumerate(releases):
        for size, fan_out in steps:
            scene.fold(bug.planted(projection), code=f"buggy {number}", steps=[(size, fan_out)])
            _require_clean(scene)
        if skips:
            scene.skip()
            _require_clean(scene)
    scene.fold(code="mended")

    _require_clean(scene)
    if not scene.parking.skipped:  # without what was skipped, other events make no sense
        assert scene.parking.events == ()


def _require_clean(scene):
    """While what was parked is brought to many, and before an erasure that the log has already, nothing can be said."""
    is_unsettled = scene.is_retrying or scene.is_erasing
    with pytest.raises(ReadModelUnstable, match=r"brought to many|was erased") if is_unsettled else nullcontext():
        verified = scene.verify()
        assert differences_in(verified) == set()
        assert verified.stale == len(scene.parking.documents())


@given(
    projection=st.sampled_from([profiles, groups, activity]),
    log=group_histories(),
    bug=bugs,
    start=st.integers(SETTLED, 20),
    coming=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2), st.integers(0, 4)), min_size=5, max_size=30),
)
@settings(max_examples=examples(60))
def test_nothing_is_found_while_events_are_parked_and_released(projection, log, bug, start, coming):
    """Whatever the projector does between two looks; it begins anew if that concerns what it has folded already."""
    scene, steps = Scene(log, projection), iter(coming)
    scene.fold(bug.planted(projection), steps=[(start, 1)])

    def step():
        size, fan_out, release = next(steps, (0, 1, 1))
        planted, code = (projection, "mended") if release == 0 else (bug.planted(projection), "buggy")
        scene.fold(planted, code=code, steps=[(size, fan_out)])

    with suppress(ReadModelUnstable):
        assert differences_in(scene.verify_meanwhile(step)) == set()


def test_a_verification_begins_anew_when_what_it_left_out_is_folded():
    """Else it would take the record for too new."""
    history = History()
    ada = history.register("ada")
    history.update(ada, title="Dr")
    scene, looks = Scene(history.events), count()
    scene.fold(poisoned(PROFILES, lambda recorded: recorded.position == 3))

    def step():
        if next(looks) == 1:
            scene.fold(code="mended")

    verified = scene.verify_meanwhile(step)

    assert (differences_in(verified), verified.stale) == (set(), 0)
    assert next(looks) > 4, "it was begun twice"


def test_behind_the_checkpoint_all_is_put_aside_that_the_projector_will_park():
    """An event that writes what failed waits, with all it would write."""
    history = History()
    ada, bob, cyd = map(history.register, ("ada", "bob", "cyd"))
    board, choir = history.create_group("board"), history.create_group("choir")
    for group, person in ((board, ada), (board, bob), (choir, cyd)):
        history.add_member(group, person)
    fold = Fold(poisoned(groups, lambda recorded: recorded.position == 9))
    fold.advance(history.events[:8])
    records = RecordsAhead([fold])

    records.advance(history.events[8:])

    assert {str(board), f"{board}:{ada}", f"{board}:{bob}"} == set(records.incomplete)
    assert [f"{choir}:{cyd}"] == list(records.ids("membership"))
    assert records.position == 11
