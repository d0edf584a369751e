"""What audits make of the live generation."""

import pytest

from projector.audit.live import NothingToVerify, inspect_live, live_generation
from projector.store.errors import GenerationDamaged, Superseded
from projector.store.inspection import GenerationQuery
from projector.store.transitions import begun
from shared.read_model.positions import Pointer
from tests.support.folding import ORDER, POINTER, PREFIX, PROFILES, begin, go_live
from tests.support.read_models import StoreInMemory


@pytest.fixture
async def store():
    """An empty generation is live."""
    store = StoreInMemory()
    await begin(store.model())
    await go_live(store.model())
    return store


async def test_without_a_live_generation_there_is_nothing_to_verify():
    with pytest.raises(NothingToVerify, match="projection profiles: no generation is live yet"):
        await live_generation(StoreInMemory().inspector(), projection="profiles")


async def test_a_generation_that_readers_have_left_is_superseded(store):
    """Although it is there."""
    other = Pointer("g2", PROFILES.version)
    await store.model().transition(begun(other, ORDER, target=0))

    with pytest.raises(Superseded, match="another generation went live"):
        await inspect_live(store.inspector(), other, GenerationQuery())


async def test_nothing_is_concluded_from_a_damaged_generation(store):
    await store.plant(f"{PREFIX}damaged", b"it broke")

    with pytest.raises(GenerationDamaged, match="it broke"):
        await inspect_live(store.inspector(), POINTER, GenerationQuery())
