"""What every answer of the read API has in common, whatever is asked."""

import asyncio

import pytest

from tests.support.directory import JUDICIARY
from tests.support.patience import until_here
from tests.support.read_side import ADA, BOB
from tests.unit.read_side.test_look_ups_over_http import BY_ID, problem

POSITIONS = {"profiles": "7", "groups": "8", "activity": "9", "stats": "6", "changes": "5"}
ACTIVITY, MEMBERS = f"{BY_ID}/activity", "/groups/ssju/members"
READS = {
    f"/profiles/{ADA.account_id}": "profiles",
    "/profiles": "profiles",
    "/profiles?status=any&tag=mathematics&q=ada&sort=-handle&limit=1": "profiles",
    f"/profiles/{ADA.account_id}/activity": "activity",
    "/groups": "groups",
    "/groups?q=jud": "groups",
    "/groups/ssju": "groups",
    f"/groups/{JUDICIARY.group_id}": "groups",
    "/groups/ssju/members": "groups",
    f"/groups/ssju/members/{ADA.account_id}": "groups",
    "/stats": "stats",
    "/changes": "changes",
    f"/changes?type=handle-changed&type=member-added&account={BOB.account_id}&after=1&limit=1": "changes",
}
MISSES = {
    **dict.fromkeys(
        (
            "/profiles/00000000-0000-0000-0000-000000000000",
            "/profiles/by-handle/nobody",
            "/profiles/by-handle/%00",
            "/profiles/by-handle/a%2Fb",
            "/profiles/by-handle/%E2%80%AEx",
            "/profiles/by-handle/100%25%zz",
            f"/profiles/by-handle/{'x' * 60_000}",
            "/profiles/by-email/nobody@example.org",
            "/profiles/by-external-id/BOOKS%2FNOTES:G",  # external ids keep their case
        ),
        ("profile-not-found", "profiles"),
    ),
    "/profiles/00000000-0000-0000-0000-000000000000/activity": ("profile-not-found", "activity"),
    "/groups/nothing": ("group-not-found", "groups"),
    "/groups/00000000-0000-0000-0000-000000000000": ("group-not-found", "groups"),
    "/groups/%00": ("group-not-found", "groups"),
    f"/groups/{'x' * 60_000}": ("group-not-found", "groups"),
    "/groups/nothing/members": ("group-not-found", "groups"),
    f"/groups/nothing/members/{ADA.account_id}": ("group-not-found", "groups"),
    "/groups/ssju/members/00000000-0000-0000-0000-000000000000": ("member-not-found", "groups"),
    f"/groups/ssfi/members/{ADA.account_id}": ("member-not-found", "groups"),
}
every_read = pytest.mark.parametrize(("path", "projection"), READS.items())


def at_least(position, path):
    """Two requests for what reflects a position: by a header and by the query."""
    return (
        {"url": path, "headers": {"Muster-Min-Position": str(position)}},
        {"url": f"{path}{'&' if '?' in path else '?'}min_position={position}"},
    )


async def answers_once_there(client, views, path):
    """Ask in both ways for what is not there yet; give status and position of the answers once it has come."""
    asked = [asyncio.create_task(client.get(**each)) for each in at_least(10, path)]
    await until_here(lambda: views.freshness.waiting + sum(each.done() for each in asked) == len(asked))
    views.commit(position=10)
    return [(each.status_code, each.headers["muster-position"]) for each in await asyncio.gather(*asked)]


@every_read
async def test_an_answer_says_how_fresh_it_is(client, directory, path, projection):
    """With the position of the projection that answered, and how long it may be kept."""
    response = await client.get(path)

    assert response.status_code == 200
    assert response.headers["muster-position"] == POSITIONS[projection]
    assert response.headers["cache-control"] == "private, no-cache"
    assert response.headers["content-type"] == "application/json"


@pytest.mark.parametrize(("path", "name", "projection"), [(path, *miss) for path, miss in MISSES.items()])
async def test_what_is_not_there_is_not_there_as_of_a_position(client, directory, path, name, projection):
    """A 404 is an answer, and says which of the things named is missing."""
    response = await client.get(path)

    assert response.status_code == 404
    assert problem(response) == (name, [])
    assert response.headers["muster-position"] == POSITIONS[projection]
    assert response.headers["cache-control"] == "private, no-cache"


@every_read
async def test_who_has_it_already_is_not_sent_it_again(client, directory, path, projection):
    """304 carries what a 200 would, but the body."""
    got = await client.get(path)

    response = await client.get(path, headers={"If-None-Match": got.headers["etag"]})

    assert response.status_code == 304
    assert response.content == b""
    for name in ("muster-position", "etag", "cache-control", "link"):
        assert got.headers.get(name) == response.headers.get(name)


@every_read
async def test_head_tells_what_get_would(client, directory, path, projection):
    """HEAD is GET without the body."""
    got, head = await client.get(path), await client.head(path)

    assert head.content == b""
    assert {**head.headers, "request-id": ""} == {**got.headers, "request-id": ""}


@every_read
async def test_a_slash_at_the_end_changes_nothing(client, directory, path, projection):
    """Clients put addresses together either way."""
    name, mark, query = path.partition("?")
    got = await client.get(path)

    for slashes in ("/", "//"):
        response = await client.get(f"{name}{slashes}{mark}{query}")

        assert response.status_code == 200
        assert response.content == got.content


@every_read
async def test_other_methods_are_told_which_to_use(client, directory, path, projection):
    """405 lists GET and HEAD."""
    for method in ("POST", "PUT", "PATCH", "DELETE", "OPTIONS"):
        response = await client.request(method, path)

        assert response.status_code == 405, method
        assert problem(response) == ("method-not-allowed", [])
        assert response.headers["allow"] == "GET, HEAD"


@every_read
async def test_the_client_has_to_accept_json(client, directory, path, projection):
    """There is nothing but JSON."""
    response = await client.get(path, headers={"Accept": "text/html"})

    assert response.status_code == 406
    assert problem(response) == ("not-acceptable", [])


@every_read
async def test_an_answer_waits_until_it_is_fresh_enough(client, directory, path, projection):
    """For the projection that answers, and no other."""
    assert await answers_once_there(client, directory[projection], path) == [(200, "10")] * 2


@pytest.mark.parametrize(("path", "projection"), [(path, miss[1]) for path, miss in MISSES.items()])
async def test_nothing_is_missing_before_it_is_fresh_enough(client, directory, path, projection):
    """A 404 waits like any other answer."""
    assert await answers_once_there(client, directory[projection], path) == [(404, "10")] * 2


class TestAnImpatientReader:
    @pytest.fixture
    def patience(self):
        return 0.01

    @every_read
    async def test_is_told_that_the_projection_is_behind(self, client, directory, path, projection):
        """503 with the position reached, and when to try again."""
        for asked in at_least(10, path):
            response = await client.get(**asked)

            assert response.status_code == 503
            assert problem(response) == ("projection-behind", [])
            assert response.headers["muster-position"] == POSITIONS[projection]
            assert response.headers["retry-after"] == "1"


@pytest.mark.parametrize("path", [*READS, *MISSES])
async def test_a_read_model_that_was_never_filled_misses_nothing(client, path):
    """503, not 404 and no empty list."""
    response = await client.get(path)

    assert response.status_code == 503
    assert problem(response) == ("read-model-not-filled", [])
    assert response.headers["retry-after"] == "2"


MEANINGLESS = {
    "min_position=-1": "?min_position",
    "min_position=1&min_position=1": "?min_position",
    "min_position=%ff": "?min_position",
    "fields=nickname": "?fields",
    "%FF=1": "?\N{REPLACEMENT CHARACTER}",
    "=": "?",
    "Limit=5": "?Limit",
}


@every_read
async def test_what_nobody_can_mean_is_named(client, directory, path, projection):
    """A position that is none, and parameters that are unknown or sent twice: 422."""
    for parameter, pointer in MEANINGLESS.items():
        response = await client.get(f"{path}{'&' if '?' in path else '?'}{parameter}")

        assert response.status_code == 422, parameter
        assert problem(response) == ("invalid", [pointer])


@pytest.mark.parametrize(
    ("path", "pointers"),
    [
        ("/groups?sort=display_name", ["?sort"]),
        ("/groups?q=-", ["?q"]),
        ("/groups?limit=0", ["?limit"]),
        ("/groups?cursor=x", ["?cursor"]),
        ("/groups?status=any", ["?status"]),
        ("/groups?group=ssju&tag=a", ["?group", "?tag"]),
        (f"{MEMBERS}?role=", ["?role"]),
        (f"{MEMBERS}?role=%00", ["?role"]),
        (f"{MEMBERS}?role={'x' * 201}", ["?role"]),
        (f"{MEMBERS}?role=a&role=b", ["?role"]),
        (f"{MEMBERS}?sort=handle", ["?sort"]),
        (f"{MEMBERS}?limit=201", ["?limit"]),
        (f"{MEMBERS}?cursor=AAAA", ["?cursor"]),
        (f"{MEMBERS}/{ADA.account_id}?role=member", ["?role"]),
        ("/groups/ssju?limit=1", ["?limit"]),
        *((f"{ACTIVITY}?{query}", [f"?{query.split('=')[0]}"]) for query in ("limit=0", "cursor=", "sort=-at", "q=a")),
        ("/stats?day=2026-01-01", ["?day"]),
        ("/profiles/ada", ["{id}"]),
        ("/profiles/batch-gets", ["{id}"]),
        (f"{BY_ID}0", ["{id}"]),
        (f"/profiles/%7B{ADA.account_id}%7D", ["{id}"]),
        ("/profiles/%FF", ["{id}"]),
        ("/profiles/by-handle/%FF", ["{handle}"]),
        ("/profiles/by-email/%C3%28", ["{email}"]),
        ("/profiles/by-external-id/%ED%A0%80", ["{external_id}"]),
        (f"{BY_ID}?min_position=", ["?min_position"]),
        (f"{BY_ID}?min_position=1.0", ["?min_position"]),
        (f"{BY_ID}?min_position=9223372036854775808", ["?min_position"]),
        (f"{BY_ID}?min_position=%D9%A3", ["?min_position"]),
        (f"{BY_ID}?minposition=1", ["?minposition"]),
        (f"{BY_ID}?%00=1", ["?\0"]),
        ("/profiles/ada/activity", ["{id}"]),
        ("/profiles/%FF/activity", ["{id}"]),
        ("/groups/%FF", ["{group}"]),
        ("/groups/%C3%28/members", ["{group}"]),
        ("/groups/ssju/members/ada", ["{account_id}"]),
        ("/groups/ssju/members/@ada", ["{account_id}"]),
        ("/groups/ssju/members/%ED%A0%80", ["{account_id}"]),
    ],
)
async def test_what_nobody_can_mean_there_is_named(client, directory, path, pointers):
    """A key that nobody can have, a position that is none, and what would mean something elsewhere: 422."""
    response = await client.get(path)

    assert response.status_code == 422
    assert problem(response) == ("invalid", pointers)


@pytest.mark.parametrize(
    "path",
    [
        "/profiles/by-handle/a/b",
        "/profiles/by-name/ada",
        "//profiles/by-handle/ada",
        "/pro%66iles/by-handle/ada",
        "/profiles%2Fby-handle/ada",
        f"/profiles/{ADA.account_id}/groups",
        "/groups//members",
        "/groups/ssju/people",
        "/stats/accounts",
    ],
)
async def test_what_no_route_names_is_not_found(client, directory, path):
    """Without a position: nothing was read."""
    response = await client.get(path)

    assert response.status_code == 404
    assert problem(response) == ("not-found", [])
    assert "muster-position" not in response.headers


@pytest.mark.parametrize(
    ("path", "alone"),
    [
        ("/profiles", [f"/profiles/{each.account_id}" for each in (BOB, ADA)]),
        ("/groups", ["/groups/ssfi", "/groups/ssju"]),
    ],
)
async def test_a_page_is_made_of_the_records_as_they_are(client, directory, path, alone):
    """Byte for byte those that are found alone; the only page leads to no other."""
    records = [(await client.get(each)).content for each in alone]

    response = await client.get(path)

    assert response.content == b'{"items":[%b,%b],"next_cursor":null}' % tuple(records)
    assert "link" not in response.headers


async def test_reads_are_counted_by_route_and_outcome(client, directory):
    """No metric carries a name or an id."""
    for path in (*READS, *MISSES):
        await client.get(path)

    metrics = (await client.get("/metrics")).text

    for route, outcome in (
        ("/profiles", "hit"),
        ("/profiles/by-handle/{handle}", "miss"),
        ("/profiles/{id}/activity", "miss"),
        ("/groups", "hit"),
        ("/groups/{group}", "miss"),
        ("/groups/{group}/members", "hit"),
        ("/groups/{group}/members/{account_id}", "miss"),
        ("/stats", "hit"),
    ):
        assert f'muster_reads_total{{look_up="{route}",outcome="{outcome}"}}' in metrics
        assert f'route="{route}"' in metrics
    for projection in POSITIONS:
        assert f'muster_read_waiters{{projection="{projection}"}} 0.0' in metrics
    assert [name for name in ("ssju", "nobody") if name in metrics] == []
