"""What a generation can hold is named by its projection, so that its size can be told without searching Redis."""

import pytest
from hypothesis import given, settings

from projector.services import PROJECTIONS
from projector.store.collections import key_of, prefix_of, shelf_at, shelves_of
from shared.read_model.keys import ProjectionKeys
from tests.support.folding import at_once, cleanly_folded
from tests.support.random_histories import group_histories, histories


@pytest.mark.parametrize("projection", PROJECTIONS, ids=lambda each: each.name)
@given(log=histories() | group_histories())
@settings(deadline=None)
def test_whatever_is_stored_stands_on_a_shelf_that_is_named(projection, log):
    """Nothing is left out of the size."""
    keys = ProjectionKeys(projection.name).generation("g1")
    named = {key_of(each, keys).removeprefix(prefix_of(keys)) for each in shelves_of(projection)}

    stored = at_once(cleanly_folded(log, projection)).keys()

    assert stored <= named


@pytest.mark.parametrize("projection", PROJECTIONS, ids=lambda each: each.name)
def test_a_shelf_is_known_by_its_key(projection):
    """The way back from a key leads to the same shelf."""
    keys = ProjectionKeys(projection.name).generation("g1")

    for shelf in shelves_of(projection):
        assert shelf_at(key_of(shelf, keys), keys) == shelf
