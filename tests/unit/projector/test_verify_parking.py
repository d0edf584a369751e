"""What is parked is no difference, and hides none."""

import asyncio
from contextlib import nullcontext

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from projector.parked import asking
from projector.parking import Skip
from projector.services import PROJECTIONS
from projector.verify import examination, following
from projector.verify.verification import Unsettled
from tests.support.bugs import bugs
from tests.support.folding import PROFILES, at_once, fold_all, fold_next, parked
from tests.support.histories import DAWN, nth_id
from tests.support.random_histories import group_histories, histories
from tests.support.verifying import HandInMemory, be_live, log_of, told, verify

ADA, BOB = nth_id(1), nth_id(2)
SKIP = Skip(reason="it never was", by="olga", at=DAWN)
logs = histories() | group_histories()
sizes = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 2)), min_size=1, max_size=8)
releases = st.lists(st.tuples(bugs, sizes, st.booleans()), min_size=1, max_size=4)


@pytest.fixture(autouse=True)
def _no_patience(monkeypatch):
    """Nobody goes on with a sweep here."""
    monkeypatch.setattr(examination, "SWEEP_SECONDS", 0.0)
    monkeypatch.setattr(examination, "LOOK_AGAIN_SECONDS", 0.0)
    monkeypatch.setattr(following, "RETRY_SECONDS", 0.0)


class Scene:
    """A live generation in memory that one release after the other feeds."""

    def __init__(self, events, projection=PROFILES):
        self.events, self.projection, self.hand = events, projection, HandInMemory()
        self.model = self.hand.subject(projection).model
        at_once(be_live(self.hand, projection))

    def fold(self, projection=None, *, code="buggy", size=None, sweep=0):
        """All there is, or one step."""
        projection = projection or self.projection
        if size is None:
            at_once(fold_all(self.model, self.events, projection=projection, code=code))
        else:
            at_once(fold_next(self.model, self.events, size=size, sweep=sweep, projection=projection, code=code))

    def skip(self):
        """Have the first event that is parked dropped."""
        parking, checkpoint = self.parking, at_once(self.model.survey()).checkpoint
        if parking.events:
            at_once(self._ask(parking.to_be_skipped(parking.events[0].documents[0].id, SKIP), checkpoint))

    @property
    def parking(self):
        return at_once(parked(self.model, self.projection))

    @property
    def is_retrying(self):
        return any(each.since for each in at_once(self.model.survey()).checkpoint.sweeps)

    def verify(self, projection=None, **kwargs):
        return asyncio.run(verify(self.hand, log_of(self.events), projection or self.projection, **kwargs))

    async def _ask(self, parking, checkpoint):
        async with self.model.commit("g1", expected=checkpoint) as commit:
            await commit.apply(asking(parking, checkpoint))


on_each = pytest.mark.parametrize("projection", PROJECTIONS, ids=lambda each: each.name)


@on_each
@given(log=logs, releases=releases)
@settings(deadline=None, max_examples=150)
def test_nothing_is_found_whatever_is_parked(projection, log, releases):
    """Wherever a projector stops, whatever its release cannot fold, and whatever is skipped."""
    scene = Scene(log, projection)
    for number, (bug, steps, skips) in enumerate(releases):
        for size, sweep in steps:
            scene.fold(bug.planted(projection), code=f"buggy {number}", size=size, sweep=sweep)
            _require_clean(scene)
        if skips:
            scene.skip()
            _require_clean(scene)
    scene.fold(code="mended")

    _require_clean(scene)
    if not scene.parking.skipped:  # without what was skipped, other events make no sense
        assert scene.parking.events == ()


def _require_clean(scene):
    """While what was parked is brought to many, nothing can be said."""
    unsettled = pytest.raises(Unsettled, match="brought to many") if scene.is_retrying else nullcontext()
    with unsettled:
        verified = scene.verify()
        assert told(verified) == set()
        assert verified.stale == len(scene.parking.documents())
