"""The read API over profiles in memory."""

import pytest

from read_side.adapters.memory import MemoryProfileViews
from read_side.freshness import Freshness
from read_side.http.app import read_api
from read_side.services import register_profiles
from tests.support.http import client_of
from tests.support.read_side import ADA, BOB, PATIENCE


@pytest.fixture
def patience():
    """How long a reader may wait."""
    return PATIENCE


@pytest.fixture
def empty_views(patience):
    return MemoryProfileViews(freshness=Freshness(patience=patience))


@pytest.fixture
def views(empty_views):
    """Ada and Bob, as of position 7."""
    empty_views.commit(ADA, BOB, position=7)
    return empty_views


@pytest.fixture
async def client(empty_views):
    async with client_of(read_api(lambda registry: register_profiles(registry, empty_views))) as client:
        yield client
