"""`GET /profiles/{id}/activity` and `GET /stats` as a client sees them."""

import msgspec
import pytest

from shared.read_model.records import ActivityRecord, StatsRecord
from tests.support.directory import HAPPENED, STATS
from tests.support.read_side import ADA, BOB, changed
from tests.unit.read_side.test_look_ups_over_http import problem
from tests.unit.read_side.test_walks_over_http import next_of, walk

ACTIVITY = f"/profiles/{ADA.account_id}/activity"


def records(*pages):
    return [msgspec.convert(each, ActivityRecord, strict=False) for page in pages for each in page.json()["items"]]


@pytest.mark.parametrize("path", [ACTIVITY, ACTIVITY.replace(str(ADA.account_id), str(ADA.account_id).upper())])
async def test_what_happened_is_told_newest_first(client, activity, path):
    """As it is stored."""
    response = await client.get(path)

    assert records(response) == list(reversed(HAPPENED))
    assert response.json()["next_cursor"] is None


async def test_a_walk_meets_everything_once(client, activity):
    """Back to the beginning, whatever happens meanwhile; that is told to who begins anew."""
    much = [changed(HAPPENED[0], position=position) for position in range(10, 300)]
    activity.commit(*((ADA.account_id, each) for each in much), position=300)
    first = await client.get(f"{ACTIVITY}?limit=100")
    activity.commit((ADA.account_id, changed(HAPPENED[0], position=301)), position=301)

    pages = await walk(client, next_of(first))

    assert records(first, *pages) == list(reversed([*HAPPENED, *much]))
    assert len(records(first)) == 100
    assert pages[0].headers["muster-position"] == "301"


async def test_a_cursor_is_of_one_account(client, activity):
    """And of no list of people."""
    activity.commit((BOB.account_id, HAPPENED[0]), position=10)
    cursor = (await client.get(f"{ACTIVITY}?limit=1")).json()["next_cursor"]

    other = await client.get(f"/profiles/{BOB.account_id}/activity?cursor={cursor}")
    people = await client.get(f"/profiles?cursor={cursor}")

    assert problem(other) == ("invalid", ["?cursor"])
    assert problem(people) == ("invalid", ["?cursor"])


async def test_the_directory_in_numbers(client, stats):
    """As it is stored."""
    response = await client.get("/stats")

    assert msgspec.json.decode(response.content, type=StatsRecord) == STATS


async def test_an_empty_directory_has_numbers_too(client, empty_stats):
    """All of them are nought, as of a position."""
    empty_stats.commit(position=0)

    response = await client.get("/stats")

    assert response.json() == {
        "accounts": {"active": 0, "suspended": 0, "closed": 0},
        "groups": 0,
        "memberships": 0,
        "registrations": [],
    }
    assert response.headers["muster-position"] == "0"
