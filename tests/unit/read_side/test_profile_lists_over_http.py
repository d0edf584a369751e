"""`GET /profiles` as a client sees it."""

import json

import pytest

from read_side.adapters.list_query import ListLimits
from tests.support.directory import FINANCE, JUDICIARY, crowd, member_of
from tests.support.read_side import ADA, BOB, changed, person
from tests.unit.read_side.test_look_ups_over_http import problem

ANDRE = person(1, display_name="André Carson", title="Representative", tags=("house", "caf\u00e9"))
LINDA = person(2, display_name="Linda T. Sánchez", tags=("house",), status="suspended")
CARA = person(3, display_name="Cara Andresen", handle="andre", tags=("house", "a&b=c+d"), status="closed")


async def handles(client, query=""):
    response = await client.get(f"/profiles{query}")
    assert response.status_code == 200, response.text
    return [each["handle"] for each in response.json()["items"]]


@pytest.fixture
def people(empty_views):
    """Three people of all statuses besides Ada and Bob, two of them in a committee."""
    ada, bob = member_of(JUDICIARY, changed(ADA, tags=("house",))), member_of(JUDICIARY, BOB)
    empty_views.commit(member_of(FINANCE, ada), bob, ANDRE, LINDA, CARA, position=7)
    return empty_views


async def test_a_list_of_nobody_is_empty(client, empty_views):
    """Which is not the same as never filled."""
    empty_views.commit(position=0)

    response = await client.get("/profiles")

    assert response.content == b'{"items":[],"next_cursor":null}'
    assert response.headers["muster-position"] == "0"


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ["bob", "Ada", "person1"]),
        ("?", ["bob", "Ada", "person1"]),
        ("?q=", ["bob", "Ada", "person1"]),
        ("?q=+%20", ["bob", "Ada", "person1"]),
        ("?&status=active&", ["bob", "Ada", "person1"]),
        ("?status=suspended", ["person2"]),
        ("?status=closed", ["andre"]),
        ("?status=any", ["bob", "Ada", "person1", "andre", "person2"]),
        ("?group=ssju", ["bob", "Ada"]),
        ("?group=SSJU", ["bob", "Ada"]),
        (f"?group={JUDICIARY.group_id}", ["bob", "Ada"]),
        (f"?group={str(JUDICIARY.group_id).upper()}", ["bob", "Ada"]),
        ("?group=ssfi", ["Ada"]),
        ("?group=nothing", []),
        ("?group=00000000-0000-0000-0000-000000000000", []),
        ("?tag=house", ["Ada", "person1"]),
        ("?tag=House", ["Ada", "person1"]),
        ("?group=%EF%BC%B3SJ%C3%9A", ["bob", "Ada"]),
        ("?tag=house&tag=house&status=any", ["Ada", "person1", "andre", "person2"]),
        ("?tag=house&tag=caf%C3%A9", ["person1"]),
        ("?tag=Cafe", ["person1"]),
        ("?tag=a%26b%3Dc%2Bd&status=any", ["andre"]),
        ("?tag=house&group=ssju", ["Ada"]),
        ("?q=andre+car", ["person1"]),
        ("?q=CAR+ANDRE", ["person1"]),
        ("?q=andre&status=any", ["person1", "andre"]),
        ("?q=car&status=any", ["andre", "person1"]),
        ("?q=sanchez&status=any", ["person2"]),
        ("?q=repr", ["person1"]),
        ("?q=lovelace&group=ssju&tag=house", ["Ada"]),
        ("?q=nobody", []),
        ("?sort=display_name", ["bob", "Ada", "person1"]),
        ("?sort=-display_name", ["person1", "Ada", "bob"]),
        ("?sort=handle", ["Ada", "bob", "person1"]),
        ("?sort=-handle&status=any", ["person2", "person1", "bob", "andre", "Ada"]),
        ("?q=car&status=any&sort=display_name", ["person1", "andre"]),
        ("?limit=1", ["bob"]),
        ("?limit=200", ["bob", "Ada", "person1"]),
    ],
)
async def test_a_list_has_those_who_fit_in_order(client, people, query, expected):
    """Equal names are in the order of ids; with `q` it is the order of the words that match, then of names."""
    assert expected == await handles(client, query)


async def test_times_can_be_sorted_by(client, empty_views):
    """Created and updated, in both directions."""
    early = changed(ANDRE, created_at=ADA.created_at.replace(year=1969), updated_at=ADA.updated_at.replace(year=2027))
    empty_views.commit(ADA, early, position=1)

    assert await handles(client, "?sort=created_at") == ["person1", "Ada"]
    assert await handles(client, "?sort=-created_at") == ["Ada", "person1"]
    assert await handles(client, "?sort=updated_at") == ["Ada", "person1"]
    assert await handles(client, "?sort=-updated_at") == ["person1", "Ada"]


@pytest.mark.parametrize(
    ("query", "pointers"),
    [
        *((f"status={value}", ["?status"]) for value in ("", "Active", "open", "active,closed", "%00", "%FF")),
        ("status=active&status=closed", ["?status"]),
        *((f"group={value}", ["?group"]) for value in ("", "a+b", "-a", "a.", "%CE%B1", "%00", "%FF", "x" * 65, "a/b")),
        ("group=a&group=a", ["?group"]),
        *((f"tag={value}", ["?tag"]) for value in ("", "%00", "%0A", "%7F", "%C2%85", "%FF", "x" * 65)),
        ("tag=a&tag=", ["?tag"]),
        ("tag=&tag=", ["?tag"]),
        ("&".join(f"tag={number}" for number in range(11)), ["?tag"]),
        *((f"q={value}", ["?q"]) for value in ("-", "%CC%81", "a%00b", "%FF", "%ED%A0%80", "x" * 61, "x+" * 101)),
        ("q=" + "+".join(f"w{number}" for number in range(11)), ["?q"]),
        (f"q={'%E3%8C%96' * 11}", ["?q"]),  # each is a word of six letters in one character
        (f"q={'x' * 60_000}", ["?q"]),
        ("q=a&q=a", ["?q"]),
        *((f"sort={value}", ["?sort"]) for value in ("", "name", "-", "--handle", "+handle", "Handle", "email")),
        ("sort=handle&sort=handle", ["?sort"]),
        *(
            (f"limit={value}", ["?limit"])
            for value in ("", "0", "201", "-1", "1.0", "1e2", "ten", "%D9%A3", "9" * 5_000)
        ),
        ("limit=5&limit=5", ["?limit"]),
        *((f"cursor={value}", ["?cursor"]) for value in ("", "x", "AQ", "%00", "a%20b", "A" * 60_000, "=")),
        ("offset=5", ["?offset"]),
        ("STATUS=any", ["?STATUS"]),
        ("tags=a&tags=b", ["?tags"]),
        ("group%00=a", ["?group\0"]),
        (
            "min_position=x&limit=x&cursor=x&q=-&sort=x&status=x&group=-&tag=&x=x",
            ["?min_position", "?q", "?sort", "?status", "?group", "?tag", "?limit", "?cursor", "?x"],
        ),
    ],
)
async def test_what_cannot_be_meant_is_named(client, people, query, pointers):
    """All of it at once: 422."""
    response = await client.get(f"/profiles?{query}")

    assert response.status_code == 422
    assert problem(response) == ("invalid", pointers)


async def test_the_longest_search_is_answered(client, empty_views):
    """Ten words, of which one has sixty letters, in two hundred characters."""
    words = ["x" * 60, *(f"word{letter}" for letter in "abcdefghi")]
    empty_views.commit(person(1, title=" ".join(words)), position=1)

    assert await handles(client, f"?q={'+'.join(words).ljust(200, '+')}") == ["person1"]


@pytest.mark.parametrize("list_limits", [ListLimits(sorted=5)])
async def test_too_many_matches_are_not_sorted(client, empty_views):
    """But in their own order, which is kept for them."""
    empty_views.commit(*crowd(6), position=1)

    refused = await client.get("/profiles?q=person&sort=display_name")

    assert refused.status_code == 422
    assert problem(refused) == ("query-too-broad", ["?q"])
    assert len(await handles(client, "?q=person")) == 6
    assert len(await handles(client, "?q=person4&sort=display_name")) == 1
    assert len(await handles(client, "?sort=handle")) == 6


async def test_the_etag_is_that_of_the_page(client, empty_views):
    """It changes with what is on it, and not with what is elsewhere."""
    empty_views.commit(*crowd(3), position=1)
    before = [(await client.get(f"/profiles?{page}")).headers["etag"] for page in ("limit=1", "sort=-handle&limit=1")]

    empty_views.commit(person(3, display_name="Person 0003", bio="new"), position=2)

    after = [(await client.get(f"/profiles?{page}")).headers["etag"] for page in ("limit=1", "sort=-handle&limit=1")]
    assert before[0] == after[0]
    assert before[1] != after[1]


async def test_what_is_sent_is_json(client, people):
    """Put together from bytes, and sound all the same."""
    response = await client.get("/profiles?status=any&limit=2", headers={"Accept-Encoding": "identity"})

    assert set(json.loads(response.content)) == {"items", "next_cursor"}
    assert int(response.headers["content-length"]) == len(response.content)
