"""The read API over views in memory."""

import pytest

from read_side.adapters.memory import MemoryActivityViews, MemoryGroupViews, MemoryProfileViews, MemoryStatsViews
from read_side.freshness import Freshness
from read_side.http.app import read_api
from read_side.services import register_views
from read_side.views import ActivityViews, GroupViews, ProfileViews, StatsViews
from shared.auth.setup import admit_everyone
from tests.support.directory import GROUPS, HAPPENED, MEMBERSHIPS, PEOPLE, STATS
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
def empty_groups(patience):
    return MemoryGroupViews(freshness=Freshness(patience=patience))


@pytest.fixture
def empty_activity(patience):
    return MemoryActivityViews(freshness=Freshness(patience=patience))


@pytest.fixture
def empty_stats(patience):
    return MemoryStatsViews(freshness=Freshness(patience=patience))


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
def activity(empty_activity):
    """What Ada has done, as of position 9."""
    empty_activity.commit(*((ADA.account_id, each) for each in HAPPENED), position=9)
    return empty_activity


@pytest.fixture
def stats(empty_stats):
    """The directory in numbers, as of position 6."""
    empty_stats.commit(STATS, position=6)
    return empty_stats


@pytest.fixture
def directory(views, groups, activity, stats):
    """All of it, by the projection."""
    return {"profiles": views, "groups": groups, "activity": activity, "stats": stats}


@pytest.fixture
async def client(empty_views, empty_groups, empty_activity, empty_stats):
    ports = {
        ProfileViews: empty_views,
        GroupViews: empty_groups,
        ActivityViews: empty_activity,
        StatsViews: empty_stats,
    }

    def register(registry):
        for port, adapter in ports.items():
            register_views(registry, port, adapter)

    async with client_of(read_api(admit_everyone, register)) as client:
        yield client
