"""A fold of one range of a log: what every range meets, only one of them keeps."""

from collections import defaultdict
from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st

from projector.declaring.documents import Key
from projector.folding.fold import ProjectionFold
from projector.folding.log_fold import LogFold
from projector.projections.profiles import PROFILE, profiles
from projector.projections.registry import PROJECTIONS
from shared import events
from shared.event_log.ranges import IdRange
from tests.support.bugs import poisoned
from tests.support.histories import History
from tests.support.projections import derived
from tests.unit.projector.random_histories import group_histories, histories

RANGED = [each for each in PROJECTIONS if each.ranged_by]


def folded(log, projection, *, ranges):
    """The folds of all ranges."""
    return [_folded(log, projection, IdRange(nth, ranges, projection.ranged_by)) for nth in range(ranges)]


def _folded(log, projection, within):
    fold = LogFold(ProjectionFold(projection, code="this"), within=within)
    for each in log:
        if within.concerns(each.event, aggregate=each.aggregate, aggregate_id=each.aggregate_id):
            assert fold.apply(each)
    return fold


def written(fold):
    return [key for batch in fold.batches(weight=50) for key in batch.full]


def all_parked(folds):
    return [each for fold in folds for each in fold.parking.events]


@given(projection=st.sampled_from(RANGED), log=histories() | group_histories(), ranges=st.integers(2, 5))
def test_each_document_is_written_by_one_range(projection, log, ranges):
    """Groups too, though every range has their names."""
    (whole,) = folded(log, projection, ranges=1)

    parts = map(written, folded(log, projection, ranges=ranges))

    assert sorted(chain.from_iterable(parts)) == sorted(written(whole))


@given(log=histories(), weight=st.integers(1, 60))
def test_a_list_is_written_in_its_order(log, weight):
    """So that Redis finds the place of each entry beside that of the one before."""
    [fold] = folded(log, profiles, ranges=1)

    written_to = defaultdict(list)
    for batch in fold.batches(weight=weight):
        for by, entries in batch.listed.items():
            written_to[by] += entries

    assert {by: sorted(set(entries)) for by, entries in written_to.items()} == written_to


def test_what_every_range_has_to_park_one_of_them_keeps():
    history = History()
    board = history.create_group("board")
    history.rename_group(board, "Elders")
    planted = poisoned(profiles, lambda recorded: isinstance(recorded.event, events.GroupUpdated))

    [parked] = all_parked(folded(history.events, planted, ranges=4))

    assert parked.documents == (Key("group", str(board)),)


@pytest.mark.parametrize("erased", [0, 1])
def test_an_erasure_has_what_other_ranges_have_parked_tried_again(erased):
    """As in a live fold: what the erased have left may be what it failed on."""
    history = History()
    people = [history.register(each) for each in ("ada", "bob")]
    history.change_handle(people[1 - erased], "other")
    planted = poisoned(profiles, lambda recorded: isinstance(recorded.event, events.HandleChanged))
    folds = folded(history.events, planted, ranges=2)
    assert [each.failure.code for each in all_parked(folds)] == ["this"]
    history.erase(people[erased])

    [parked] = all_parked(folded(history.events, planted, ranges=2))

    assert parked.documents == (Key("profile", str(people[1 - erased])),)
    assert parked.is_to_be_tried("this")


class Sticky(type(profiles)):
    """Fails on what changes a handle, once it has saved that, and not where it finds it changed."""

    def react(self, recorded, documents):
        handle = _handle(recorded, documents)
        super().react(recorded, documents)
        if handle != _handle(recorded, documents):
            raise ValueError


def _handle(recorded, documents):
    if not isinstance(recorded.event, events.HandleChanged):
        return None
    return documents.get(PROFILE, recorded.event.account_id).handle


def test_an_event_that_fails_has_changed_nothing_when_it_is_parked():
    """It is folded twice, to find out: the second time from the same state."""
    history = History()
    ada = history.register("ada")
    history.change_handle(ada, "lovelace")

    [parked] = all_parked([_folded(history.events, derived(profiles, Sticky), IdRange())])

    assert parked.documents == (Key("profile", str(ada)),)
