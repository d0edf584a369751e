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


@pytest.mark.parametrize(
    "path",
    [
        "/profiles/00000000-0000-0000-0000-000000000000",
        "/profiles/by-handle/nobody",
        "/profiles/by-handle/%00",
        "/profiles/by-handle/a%2Fb",
        "/profiles/by-handle/%E2%80%AEx",
        "/profiles/by-handle/100%25%zz",
        f"/profiles/by-handle/{'x' * 60_000}",
        "/profiles/by-email/nobody@example.org",
        "/profiles/by-external-id/BOOKS%2FNOTES:G",
    ],
)
async def test_who_is_not_there_is_not_there_as_of_a_position(client, views, path):
    """A 404 is an answer: it says how fresh it is. External ids keep their case."""
    response = await client.get(path)

    assert response.status_code == 404
    assert problem(response) == ("profile-not-found", [])
    assert response.headers["muster-position"] == "7"
    assert response.headers["cache-control"] == "private, no-cache"


@pytest.mark.parametrize(
    ("path", "pointer"),
    [
        ("/profiles/ada", "{id}"),
        ("/profiles/batch-gets", "{id}"),
        (f"{BY_ID}0", "{id}"),
        (f"/profiles/%7B{ADA.account_id}%7D", "{id}"),
        ("/profiles/%FF", "{id}"),
        ("/profiles/by-handle/%FF", "{handle}"),
        ("/profiles/by-email/%C3%28", "{email}"),
        ("/profiles/by-external-id/%ED%A0%80", "{external_id}"),
        (f"{BY_ID}?min_position=-1", "?min_position"),
        (f"{BY_ID}?min_position=", "?min_position"),
        (f"{BY_ID}?min_position=1.0", "?min_position"),
        (f"{BY_ID}?min_position=9223372036854775808", "?min_position"),
        (f"{BY_ID}?min_position=%D9%A3", "?min_position"),
        (f"{BY_ID}?minposition=1", "?minposition"),
        (f"{BY_ID}?%00=1", "?\0"),
    ],
)
async def test_what_nobody_can_mean_is_named(client, views, path, pointer):
    """A malformed id, a key that is no text, a position that is none, a parameter that is unknown: 422."""
    response = await client.get(path)

    assert response.status_code == 422
    assert problem(response) == ("invalid", [pointer])


async def test_all_that_is_wrong_with_the_position_is_told_at_once(client, views):
    """One request is enough to mend everything."""
    response = await client.get(f"{BY_ID}?min_position=a&fields=b", headers={"Muster-Min-Position": "c"})

    assert problem(response) == ("invalid", ["Muster-Min-Position", "?min_position", "?fields"])


@pytest.mark.parametrize(
    "path",
    [
        "/profiles/",
        "/profiles//",
        f"{BY_ID}/",
        "/profiles/by-handle/",
        "/profiles/by-handle/a/b",
        "/profiles/by-name/ada",
        "//profiles/by-handle/ada",
        "/pro%66iles/by-handle/ada",
        "/profiles%2Fby-handle/ada",
    ],
)
async def test_what_no_route_names_is_not_found(client, views, path):
    """Another problem than a person who is not there, and without a position: nothing was read."""
    response = await client.get(path)

    assert response.status_code == 404
    assert problem(response) == ("not-found", [])
    assert "muster-position" not in response.headers


async def test_head_tells_what_get_would(client, views):
    """HEAD is GET without the body."""
    got, head = await client.get(BY_ID), await client.head(BY_ID)

    assert head.content == b""
    assert {**head.headers, "request-id": ""} == {**got.headers, "request-id": ""}


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
async def test_other_methods_are_told_which_to_use(client, views, method):
    """405 lists GET and HEAD."""
    response = await client.request(method, BY_ID)

    assert response.status_code == 405
    assert problem(response) == ("method-not-allowed", [])
    assert response.headers["allow"] == "GET, HEAD"


@pytest.mark.parametrize(
    ("accept", "status"),
    [
        ("*/*", 200),
        ("application/json", 200),
        ("text/html, application/*;q=0.1", 200),
        ("text/html", 406),
        ("application/json;q=0, */*", 406),
        ("application/json;q=0.0", 406),
    ],
)
async def test_the_client_has_to_accept_json(client, views, accept, status):
    """There is nothing but JSON."""
    response = await client.get(BY_ID, headers={"Accept": accept})

    assert status == response.status_code


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


@pytest.mark.parametrize("path", [BY_ID, "/profiles/by-handle/nobody"])
@pytest.mark.parametrize("way", ["header", "query"])
async def test_an_answer_waits_until_it_is_fresh_enough(client, views, path, way):
    """Found or not: both wait for the position that was asked for, and are woken by the commit."""
    headers, query = ({"Muster-Min-Position": "8"}, {}) if way == "header" else ({}, {"min_position": "8"})
    answer = asyncio.create_task(client.get(path, headers=headers, params=query))
    await until_a_read_waits(views)

    views.commit(BOB, position=8)

    assert (await answer).headers["muster-position"] == "8"


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


class TestAnImpatientReader:
    @pytest.fixture
    def patience(self):
        return 0.01

    async def test_is_told_that_the_projection_is_behind(self, client, views):
        """503 with the position reached, and when to try again."""
        response = await client.get(BY_ID, headers={"Muster-Min-Position": "8"})

        assert response.status_code == 503
        assert problem(response) == ("projection-behind", [])
        assert response.headers["muster-position"] == "7"
        assert response.headers["retry-after"] == "1"

    async def test_is_served_what_has_come_that_far(self, client, views):
        """A position that is reached is no reason to wait."""
        response = await client.get(BY_ID, headers={"Muster-Min-Position": "7"})

        assert response.status_code == 200


async def test_a_read_model_that_was_never_filled_finds_nobody_missing(client, empty_views):
    """503, not 404: that a person is not there is not known."""
    response = await client.get(BY_ID)

    assert response.status_code == 503
    assert problem(response) == ("read-model-not-filled", [])
    assert response.headers["retry-after"] == "2"
