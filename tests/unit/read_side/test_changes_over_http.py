"""The change feed over HTTP: pages of CloudEvents, and what is said where it was trimmed."""

import asyncio

import pytest

from tests.support.directory import JUDICIARY, item
from tests.support.read_side import ADA, BOB, until_a_read_waits
from tests.unit.read_side.test_look_ups_over_http import problem


async def positions(client, path):
    body = (await client.get(path)).json()
    return [each["sequence"] for each in body["items"]], body["next_after"]


async def test_a_change_is_a_cloud_event(client, directory):
    response = await client.get("/changes?after=1&limit=1")

    assert response.json() == {
        "items": [
            {
                "specversion": "1.0",
                "id": "00000000-0000-0000-0000-000000000002",
                "source": "/muster",
                "type": "profile-updated",
                "subject": f"profiles/{ADA.account_id}",
                "time": "1970-01-01T00:00:02Z",
                "datacontenttype": "application/json",
                "sequence": 2,
                "data": {
                    "version": 1,
                    "fields": ["title", "attributes"],
                    "account_id": str(ADA.account_id),
                    "values": {"title": "Analyst", "attributes": ADA.attributes},
                },
            }
        ],
        "next_after": 2,
    }


async def test_a_subject_is_where_the_record_is_read(client, directory):
    """Relative to the root of the API, which a proxy may serve under any path."""
    subjects = [each["subject"] for each in (await client.get("/changes")).json()["items"]]

    assert subjects[2:] == [f"groups/{JUDICIARY.group_id}", f"groups/{JUDICIARY.group_id}/members/{BOB.account_id}"]
    assert {(await client.get(f"/{each}")).status_code for each in subjects} == {200}


async def test_a_group_is_named_by_its_id_or_its_slug(client, directory):
    """In any case, as everywhere; one that no group has is found nowhere, and what is none names the parameter."""
    by_id = await positions(client, f"/changes?group={JUDICIARY.group_id}")
    by_slug = [await positions(client, f"/changes?group={each}") for each in (JUDICIARY.slug, JUDICIARY.slug.upper())]

    assert by_id[0] != []
    assert by_slug == [by_id, by_id]
    for path in ("/changes", "/changes/stream"):
        assert problem(await client.get(f"{path}?group=no-such-group")) == ("group-not-found", [])
        assert problem(await client.get(f"{path}?group=/")) == ("invalid", ["?group"])


async def test_values_are_those_that_the_record_has_by_now(client, directory):
    """Of people, groups and memberships; what is gone has none."""
    directory["changes"].commit(item(6, "profile-updated", account=JUDICIARY.group_id, fields=("bio",)), position=6)

    data = [each["data"] for each in (await client.get("/changes?after=2")).json()["items"]]

    assert [each.get("values") for each in data] == [{"name": JUDICIARY.name}, {"role": "member"}, None]


async def test_values_reflect_the_change(client, directory):
    """However far the profiles are behind the feed: they are waited for."""
    directory["changes"].commit(item(8, "handle-changed"), position=8)

    answer = asyncio.create_task(client.get("/changes?after=7"))
    await until_a_read_waits(directory["profiles"])
    directory["profiles"].commit(ADA, position=8)

    assert (await answer).json()["items"][0]["data"]["values"] == {"handle": "Ada"}


async def test_at_the_end_the_position_stands_still(client, directory):
    assert await positions(client, "/changes?after=4") == ([], 5)
    assert await positions(client, "/changes?after=5") == ([], 5)
    assert await positions(client, "/changes?after=99") == ([], 99)


async def test_filters_look_through_the_feed(client, directory):
    assert await positions(client, f"/changes?account={BOB.account_id}") == ([4], 5)
    assert await positions(client, f"/changes?group={JUDICIARY.group_id}&type=group-updated") == ([3], 5)
    assert await positions(client, "/changes?type=group-updated&type=member-added&limit=1") == ([3], 3)


async def test_a_reader_may_wait_for_what_is_to_come(client, directory):
    """It is woken by the first change that fits, and not by others."""
    answer = asyncio.create_task(client.get("/changes?after=5&type=group-updated&wait=30"))
    for at, kind in ((6, "handle-changed"), (7, "group-updated")):
        await until_a_read_waits(directory["changes"])
        directory["changes"].commit(item(at, kind, group=JUDICIARY.group_id), position=at)
        directory["groups"].commit(position=at)

    assert [each["sequence"] for each in (await answer).json()["items"]] == [7]


async def test_who_has_waited_in_vain_learns_up_to_where_was_looked(client, directory):
    assert await positions(client, "/changes?after=4&wait=0.01") == ([], 5)


async def test_what_was_trimmed_is_gone(client, directory):
    directory["changes"].commit(position=5, trimmed=3)

    response = await client.get("/changes?after=2")

    assert response.status_code == 410
    assert problem(response) == ("changes-trimmed", [])
    assert response.json()["oldest_position"] == 4
    assert await positions(client, "/changes?after=3") == ([4], 5)
    assert await positions(client, "/changes") == ([4], 5)


@pytest.mark.parametrize(
    "query",
    ["after=-1", "after=x", "type=enchanted", "account=ada", "group=/", "limit=201", "wait=31", "wait=x", "z=1"],
)
async def test_a_bad_question_is_refused_by_name(client, directory, query):
    response = await client.get(f"/changes?{query}")

    assert problem(response) == ("invalid", [f"?{query.partition('=')[0]}"])


async def test_nothing_is_kept_before_the_first_fill(client):
    assert problem(await client.get("/changes")) == ("read-model-not-filled", [])
