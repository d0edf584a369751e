"""An event that cannot be folded holds up the documents it would write, and nothing else."""

from collections.abc import Sequence
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from projector.adapters.memory import MemoryReadModel, MemoryStore
from projector.projection import Projection
from projector.projections.groups import Groups
from projector.projections.stats import Stats
from shared.event_log import RecordedEvent
from shared.records import unseal
from tests.support.folding import PROFILES, Held, at_once, begin, cleanly_folded, fold_all, fold_next, held, parked
from tests.support.histories import nth_id
from tests.support.poison import of_account, poisoned, unrevising
from tests.support.random_histories import group_histories, histories

logs = histories() | group_histories()
sizes = st.lists(st.tuples(st.integers(1, 9), st.integers(0, 2)), max_size=8)
EVERYBODY = [str(nth_id(number)) for number in (1, 2, 3)]


class Directory:
    """A log and a store to fold it into, with one release after the other."""

    def __init__(self, events: Sequence[RecordedEvent], projection: Projection = PROFILES) -> None:
        self.events, self.projection, self.store = events, projection, MemoryStore()
        self.model = MemoryReadModel(self.store, projection=projection.name)
        at_once(begin(self.model, projection))

    def fold(self, projection=None, *, code="buggy", steps=None):
        """All that there is, or so many steps of (events, documents of a sweep)."""
        projection = projection or self.projection
        for size, sweep in steps or ():
            at_once(fold_next(self.model, self.events, size=size, sweep=sweep, projection=projection, code=code))
        if steps is None:
            at_once(fold_all(self.model, self.events, projection=projection, code=code))

    @property
    def held(self):
        return as_served(held(self.store.content, self.projection))

    @property
    def clean(self):
        return as_served(at_once(cleanly_folded(self.events, self.projection)))

    @property
    def parking(self):
        return at_once(parked(self.model, self.projection))

    @property
    def checkpoint(self):
        return at_once(self.model.survey()).checkpoint


def as_served(found: Held) -> Held:
    """
    The same without the positions that documents reflect.

    What a retried event brings to those that went on without it does not raise them.
    """
    return {
        key: value
        if isinstance(value, set) or key.startswith("by-") or key.endswith(":sheet")
        else {name: unseal(envelope)[1:] for name, envelope in value.items()}
        for key, value in found.items()
    }


class Bug(NamedTuple):
    """Which events a release cannot fold, and whose documents its sweeps cannot revise."""

    positions: frozenset[int]
    people: frozenset[str]

    def planted(self, projection):
        fails = poisoned(projection, lambda recorded: recorded.position in self.positions)
        return unrevising(fails, lambda id_: any(person in id_ for person in self.people))


bugs = st.builds(
    Bug,
    st.frozensets(st.integers(1, 30), max_size=4),
    st.frozensets(st.sampled_from(EVERYBODY), max_size=2),
)
EXACT = (PROFILES, Groups(), Stats())
"""Of the projections, those that end the same whenever they read what they only read."""
on_every_exact_one = pytest.mark.parametrize("projection", EXACT, ids=lambda each: each.name)


@on_every_exact_one
@given(log=logs, releases=st.lists(st.tuples(bugs, sizes), min_size=1, max_size=3), last=sizes)
@settings(max_examples=150, deadline=None)
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
@settings(max_examples=200, deadline=None)
def test_nobody_else_is_behind(log, steps, since):
    """One account's events fail from some time on: the records of all others are what they should be."""
    bad = str(nth_id(2))
    directory = Directory(log)
    fails = of_account(nth_id(2))
    planted = poisoned(PROFILES, lambda recorded: recorded.position > since and fails(recorded))

    directory.fold(planted, steps=steps)
    directory.fold(planted)

    assert _without(bad, directory.clean["profile:full"]) == _without(bad, directory.held["profile:full"])
    assert _without(bad, directory.clean["profile:public"]) == _without(bad, directory.held["profile:public"])
    assert directory.checkpoint.position == log[-1].position
    failed = [each.position for each in log if each.position > since and fails(each)]
    assert failed == [each.position for each in directory.parking.events if not each.is_swept]


def _without(id_, documents):
    return {key: value for key, value in documents.items() if key != id_}
