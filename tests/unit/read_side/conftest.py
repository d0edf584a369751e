"""The read API over views in memory."""

import pytest

from read_side.adapters.list_query import ListLimits
from read_side.http.app import read_api
from read_side.services import memory_views, register_views
from shared.auth.setup import admit_everyone
from tests.support.apps import app_client
from tests.support.directory import CHANGED, GROUPS, HAPPENED, MEMBERSHIPS, PEOPLE, STATS
from tests.support.read_side import ADA, BOB, PATIENCE


@pytest.fixture
def patience():
    """How long a reader may wait."""
    return PATIENCE


@pytest.fixture
def list_limits():
    """What finding one page may cost."""
    return ListLimits()


@pytest.fixture
def empty_directory(patience, list_limits):
    """The views of every projection, never filled."""
    return memory_views(patience=patience, limits_of=lambda kind: list_limits if kind is ListLimits else kind())


@pytest.fixture
def empty_views(empty_directory):
    return empty_directory["profiles"]


@pytest.fixture
def empty_groups(empty_directory):
    return empty_directory["groups"]


@pytest.fixture
def empty_stats(empty_directory):
    return empty_directory["stats"]


@pytest.fixture
def views(empty_views):
    """Ada and Bob, as of position 7."""
    empty_views.commit(ADA, BOB, position=7)
    return empty_views


@pytest.fixture
def groups(empty_groups):
    """Two groups, to one of which Ada and Bob belong, as of position 8."""
    empty_groups.commit(*GROUPS, people=PEOPLE, memberships=MEMBERSHIPS, position=8)
    return empty_groups


@pytest.fixture
def activity(empty_directory):
    """What Ada has done, as of position 9."""
    empty_directory["activity"].commit(*((ADA.account_id, each) for each in HAPPENED), position=9)
    return empty_directory["activity"]


@pytest.fixture
def stats(empty_stats):
    """The directory in numbers, as of position 6."""
    empty_stats.commit(STATS, position=6)
    return empty_stats


@pytest.fixture
def feed(empty_directory):
    """What has changed, as of position 5."""
    empty_directory["changes"].commit(*CHANGED, position=5)
    return empty_directory["changes"]


@pytest.fixture
def directory(views, groups, activity, stats, feed):
    """All of it, by the projection."""
    return {"profiles": views, "groups": groups, "activity": activity, "stats": stats, "changes": feed}


@pytest.fixture
async def client(empty_directory):
    def register(registry):
        register_views(registry, empty_directory)

    async with app_client(read_api, admit_everyone, register) as client:
        yield client
