"""A projection divided into partitions: what they hold together is what one fold holds."""

from collections.abc import Mapping
from dataclasses import replace
from itertools import chain

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from projector.adapters.memory.read_model import MemoryReadModel
from projector.adapters.memory.store import MemoryStore
from projector.declaring.documents import own_id
from projector.declaring.partitioning import divided
from projector.declaring.projection import Projection
from projector.projections.activity import activity
from projector.projections.groups import groups
from projector.projections.profiles import profiles
from projector.projections.registry import PROJECTIONS, layout_of
from projector.projections.unique_entries import unique_entries
from shared.read_model.partitions import UNIQUE_ENTRIES, Partitions
from tests.support.examples import examples
from tests.support.folding import at_once, begin, cleanly_folded, fold_all, held
from tests.support.histories import History
from tests.support.projections import derived
from tests.support.projectors import Surroundings
from tests.unit.projector.random_histories import group_histories, histories
from tests.unit.projector.test_filling import Fill
from tests.unit.projector.test_verify_fold import as_held, folded

DIVIDED = (profiles, groups, activity)
COUNTS = (1, 2, 3, 5)
LAYOUTS = {count: layout_of(PROJECTIONS, Partitions(count)) for count in COUNTS}

logs = histories() | group_histories()
counts = st.sampled_from(COUNTS)
sizes = st.integers(1, 9)


def parts_of(name, count):
    return [each for _, each in LAYOUTS[count].parts if each.name == name]


def live(log, part, *, size):
    """What a part holds that is fed with the events which concern it."""
    store = MemoryStore()
    model = MemoryReadModel(store, projection=part)
    at_once(begin(model, part))
    events = [each for each in log if part.concerns is None or part.concerns(each)]
    at_once(fold_all(model, events, size=size, projection=part))
    return held(store.content, part)


def filled(log, part, *, size):
    """What a part holds that was filled from the whole log."""
    filling = Fill(log, projection=part, weight=size)
    at_once(filling.run())
    return filling.held


def united(parts):
    """All that partitions hold; what several of them have must be the same in each."""
    union = {}
    for collection, content in chain.from_iterable(part.items() for part in parts):
        if isinstance(content, set):
            assert not content & union.get(collection, set())
            union[collection] = union.get(collection, set()) | content
        else:
            known = union.setdefault(collection, {})
            assert all(known.get(field, value) == value for field, value in content.items())
            known.update(content)
    return union


def entries_of(content):
    return {key: value for key, value in content.items() if key.startswith("by-")}


def without_divided_entries(whole: Mapping, name):
    """What one fold holds, but for the unique entries that are a projection of their own where there are partitions."""
    left = {by for part in parts_of(name, 2) for by in part.indexes}
    return {key: value for key, value in whole.items() if not key.startswith("by-") or key in left}


@given(projection=st.sampled_from(DIVIDED), hold=st.sampled_from([live, filled]), log=logs, count=counts, size=sizes)
@settings(max_examples=examples(60))
def test_all_partitions_together_are_one_fold(projection, hold, log, count, size):
    """Byte for byte: documents with the positions they reflect, index rows, lists."""
    whole = at_once(cleanly_folded(log, projection))

    union = united([hold(log, part, size=size) for part in parts_of(projection.name, count)])

    assert union == (whole if count == 1 else without_divided_entries(whole, projection.name))


@given(projection=st.sampled_from(DIVIDED), log=logs, count=counts, size=sizes)
def test_a_verification_expects_what_a_partition_holds(projection, log, count, size):
    for part in parts_of(projection.name, count):
        assert as_held(folded(log, part, portion=size)) == live(log, part, size=size)


def test_a_document_that_is_not_where_it_is_needed_is_missed():
    """The union would tell: here the names of groups lie where the group does, not where its members are."""
    history = History()
    board, people = history.create_group("board"), [history.register(f"h{nth}") for nth in range(9)]
    for each in people:
        history.add_member(board, each)
    kinds = [replace(kind, partitioned_by=own_id) for kind in profiles.kinds]
    wrong = divided(derived(profiles, Projection, kinds=kinds), Partitions(3))

    union = united([live(history.events, part, size=3) for part in wrong.parts])

    assert union != without_divided_entries(at_once(cleanly_folded(history.events, profiles)), "profiles")


@given(log=logs, count=counts, size=sizes)
def test_unique_entries_are_those_of_one_fold(log, count, size):
    whole = {**at_once(cleanly_folded(log, groups)), **at_once(cleanly_folded(log, profiles))}

    parts = parts_of(UNIQUE_ENTRIES, count) if count > 1 else [unique_entries(lambda *_: True)]
    union = united([entries_of(live(log, part, size=size)) for part in parts])

    assert union == entries_of(whole)


@pytest.mark.parametrize("count", [3, 5])
def test_what_was_redacted_reaches_every_partition_that_had_it(count):
    """It may be parked there; who looks for it finds that it is gone, and not that the log is another one."""
    around, route = Surroundings(), LAYOUTS[count].route
    person, group = around.history.register("ada", email="ada@example.org"), around.history.create_group("board")
    around.history.add_member(group, person)
    around.history.change_handle(person, "ida")
    around.append()
    before = [route(each) for each in around.log.events]
    around.erase(person)

    assert all(had <= route(each) for had, each in zip(before, around.log.events, strict=False))
