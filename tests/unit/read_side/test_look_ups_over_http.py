"""`GET /profiles/…` as a client sees it."""

import asyncio

import msgspec
import pytest

from shared.read_model.records import ProfileRecord
from tests.support.read_side import ADA, BOB, until_a_read_waits

BY_ID = f"/profiles/{ADA.account_id}"
EVERY_LOOK_UP = [
    BY_ID,
    BY_ID.upper().replace("PROFILES", "profiles"),
    "/profiles/by-handle/Ada",
    "/profiles/by-handle/aDA",
    "/profiles/by-handle/%41da",
    "/profiles/by-email/Ada@Example.org",
    "/profiles/by-email/ADA%40EXAMPLE.ORG",
    "/profiles/by-external-id/books%2Fnotes:G",
]


def problem(response):
    """Return the problem's name and the pointers of its errors, having checked its form."""
    body = response.json()
    assert response.headers["content-type"] == "application/problem+json"
    assert body["status"] == response.status_code
    assert body["request_id"] == response.headers["request-id"]
    return body["type"].removeprefix("/problems/"), [error["pointer"] for error in body.get("errors", [])]


@pytest.mark.parametrize("path", EVERY_LOOK_UP)
async def test_a_person_is_found(client, views, path):
    """Whichever key leads there, in whatever case, it is the same record with the same entity tag."""
    response = await client.get(path)

    assert response.status_code == 200
    assert msgspec.json.decode(response.content, type=ProfileRecord) == ADA
    assert response.headers["muster-position"] == "7"
    assert response.headers["cache-control"] == "private, no-cache"
    assert response.headers["content-type"] == "application/json"
    assert response.headers["etag"] == (await client.get(BY_ID)).headers["etag"]


async def test_all_that_is_wrong_with_the_position_is_told_at_once(client, views):
    """One request is enough to mend everything."""
    response = await client.get(f"{BY_ID}?min_position=a&fields=b", headers={"Muster-Min-Position": "c"})

    assert problem(response) == ("invalid", ["Muster-Min-Position", "?min_position", "?fields"])


@pytest.mark.parametrize("tags", ["{}", "W/{}", '"other", {}', '"other",W/{} , "third"', "*"])
async def test_who_has_it_already_is_not_sent_it_again(client, views, tags):
    """304 carries what a 200 would, but the body."""
    got = await client.get(BY_ID)

    response = await client.get(BY_ID, headers={"If-None-Match": tags.format(got.headers["etag"])})

    assert response.status_code == 304
    assert response.content == b""
    for name in ("muster-position", "etag", "cache-control"):
        assert got.headers[name] == response.headers[name]


@pytest.mark.parametrize("tags", ['"other"', 'W/"other", "another"', "", "nonsense", '"*"'])
async def test_who_has_something_else_is_sent_it(client, views, tags):
    """Only the tag of what would be sent, or `*`, spares the body."""
    response = await client.get(BY_ID, headers={"If-None-Match": tags})

    assert response.status_code == 200


async def test_every_line_of_if_none_match_counts(client, views):
    """A list may be spread over several header lines."""
    etag = (await client.get(BY_ID)).headers["etag"]

    response = await client.get(BY_ID, headers=[("If-None-Match", '"other"'), ("If-None-Match", etag)])

    assert response.status_code == 304


async def test_of_two_positions_the_higher_counts(client, views):
    """Header and query may both be sent."""
    answer = asyncio.create_task(client.get(f"{BY_ID}?min_position=8", headers={"Muster-Min-Position": "1"}))
    await until_a_read_waits(views)

    views.commit(position=8)

    assert (await answer).headers["muster-position"] == "8"


async def test_not_modified_waits_too(client, views):
    """A 304 says that nothing changed up to the position asked for."""
    etag = (await client.get(BY_ID)).headers["etag"]
    headers = {"If-None-Match": etag, "Muster-Min-Position": "8"}
    answer = asyncio.create_task(client.get(BY_ID, headers=headers))
    await until_a_read_waits(views)

    views.commit(BOB, position=8)

    assert (await answer).status_code == 304
    assert (await answer).headers["muster-position"] == "8"


async def test_a_reader_is_served_what_has_come_that_far(client, views):
    """A position that is reached is no reason to wait."""
    response = await client.get(BY_ID, headers={"Muster-Min-Position": "7"})

    assert response.status_code == 200
