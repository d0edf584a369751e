"""What a generation can hold is named by its projection, so that its size is known without searching Redis."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from projector.projections.registry import PROJECTIONS
from projector.store.collections import collection_at, collections_of, key_of
from shared.read_model.keys import HOME
from tests.support.examples import examples
from tests.support.folding import at_once, cleanly_folded
from tests.unit.projector.random_histories import group_histories, histories


@given(projection=st.sampled_from(PROJECTIONS), log=histories() | group_histories())
@settings(max_examples=examples(50))
def test_whatever_is_stored_stands_in_a_collection_that_is_named(projection, log):
    """Nothing is left out of the size."""
    keys = HOME.projection(projection.name).generation("g1")
    named = {key_of(each, keys).removeprefix(keys.prefix) for each in collections_of(projection)}

    stored = at_once(cleanly_folded(log, projection)).keys()

    assert stored <= named


@pytest.mark.parametrize("projection", PROJECTIONS, ids=lambda each: each.name)
def test_a_collection_is_known_by_its_key(projection):
    """The way back from a key leads to the same collection."""
    keys = HOME.projection(projection.name).generation("g1")

    for collection in collections_of(projection):
        assert collection_at(key_of(collection, keys), keys) == collection
