"""Walks through lists, by the links and the cursors that they answer."""

from urllib.parse import parse_qsl, urlsplit

import msgspec
import pytest

from read_side.http.resources.activity import OF_ACCOUNT, ActivityQuery
from read_side.http.resources.groups import MEMBERS
from read_side.views import MemberQuery, ProfileQuery
from shared.http.parsing.cursors import Cursor
from tests.support.directory import JUDICIARY, crowd, member_of
from tests.support.read_side import ADA, BOB, changed, person
from tests.unit.read_side.test_look_ups_over_http import problem
from tests.unit.read_side.test_profile_lists_over_http import handles


async def walk(client, address):
    """Follow the links to the end, and return the pages."""
    pages = []
    while address:
        response = await client.get(address)
        assert response.status_code == 200, response.text
        pages.append(response)
        address = next_of(response)
    return pages


def next_of(response):
    """The address of the next page, as a client makes it of the link and its own address."""
    link = response.links.get("next")
    return link and response.url.join(link["url"])


def found(pages):
    return [each["handle"] for page in pages for each in page.json()["items"]]


@pytest.mark.parametrize(
    "query", ["", "?sort=-display_name", "?q=person", "?status=any&sort=-created_at&tag=mathematics"]
)
@pytest.mark.parametrize("limit", [1, 7, 22, 23, 24])
async def test_a_walk_meets_everybody_once(client, empty_views, query, limit):
    """In the order of one long page, and the last page says that it is the last."""
    empty_views.commit(*crowd(23), position=1)
    together = await handles(client, query)

    pages = await walk(client, f"/profiles{query}{'&' if query else '?'}limit={limit}")

    assert together == found(pages)
    assert len(pages) == -(-23 // limit)
    assert [page.json()["next_cursor"] is None for page in pages] == [*[False] * (len(pages) - 1), True]


async def test_a_walk_meets_who_was_there_throughout(client, empty_views):
    """People who come, go and change their name meanwhile."""
    empty_views.commit(*crowd(6), position=1)
    first = await client.get("/profiles?limit=3")
    empty_views.commit(
        person(2, display_name="Person 0009"),
        person(3, display_name="Person 0003", status="closed"),
        person(7, display_name="Person 0003b"),
        position=2,
    )

    pages = await walk(client, next_of(first))

    assert found([first]) == ["person1", "person2", "person3"]
    assert found(pages) == ["person7", "person4", "person5", "person6", "person2"]


async def test_the_link_asks_the_same_with_the_next_cursor(client, empty_views):
    """RFC 8288; everything in it is percent-encoded, whatever it was before."""
    tags = ("a&b=c+d", 'é>; rel="x"')
    empty_views.commit(person(1, tags=tags), changed(BOB, tags=tags), position=8)
    query = 'status=any&tag=a%26b%3dc%2Bd&tag=\u00e9>;+rel="x"&q=%20&min_position=8&limit=1&sort=-handle'

    response = await client.get(f"/profiles?{query}")

    link, cursor = response.headers["link"], response.json()["next_cursor"]
    address = link.removeprefix("<").removesuffix('>; rel="next"')
    assert address.startswith("?")
    assert address.isascii()
    assert not set('<>"; ') & set(address)
    assert parse_qsl(urlsplit(address).query, keep_blank_values=True) == [
        ("status", "any"),
        ("tag", "a&b=c+d"),
        ("tag", 'é>; rel="x"'),
        ("q", " "),
        ("min_position", "8"),
        ("limit", "1"),
        ("sort", "-handle"),
        ("cursor", cursor),
    ]
    assert found(await walk(client, f"/profiles{address}")) == ["bob"]


async def test_the_link_leads_on_from_where_it_was_followed_to(client, empty_views):
    """The cursor of the page before is not in it, and the limit may be another on every page."""
    empty_views.commit(*crowd(9), position=1)
    first = await client.get("/profiles?limit=2")

    second = await client.get(f"/profiles?limit=3&cursor={first.json()['next_cursor']}")
    third = await client.get(next_of(second))

    assert second.headers["link"].count("cursor=") == 1
    assert found([first, second, third]) == [f"person{number}" for number in range(1, 9)]


@pytest.mark.parametrize(
    "changed_query",
    ["", "?sort=-display_name", "?status=any", "?tag=mathematics", "?group=ssju", "?q=person", "?tag=a&tag=b"],
)
async def test_a_cursor_of_another_question_is_refused(client, empty_views, changed_query):
    """It would lead to a wrong place: 422 naming it."""
    empty_views.commit(*crowd(9), position=1)
    cursor = (await client.get("/profiles?sort=handle&limit=1")).json()["next_cursor"]

    response = await client.get(f"/profiles{changed_query}{'&' if changed_query else '?'}cursor={cursor}")

    assert response.status_code == 422
    assert problem(response) == ("invalid", ["?cursor"])


@pytest.mark.parametrize(
    ("query", "same"),
    [
        ("limit=1", "status=active&sort=display_name&q=+&min_position=1"),
        ("limit=1&q=person", "q=PERSON&status=active"),
        ("limit=1&q=pers+mathem", "q=mathem+-+pers"),
        ("limit=1&tag=caf%C3%A9", "tag=cafe%CC%81&tag=caf%C3%A9"),
        ("limit=1&group=ssju", "group=SSJU"),
    ],
)
async def test_a_cursor_knows_a_question_however_it_is_written(client, empty_views, query, same):
    """What is not sent is the same as its default; what is compared without case or in NFC is bound so."""
    people = crowd(9, tags=("mathematics", "caf\u00e9"))
    empty_views.commit(*(member_of(JUDICIARY, each) for each in people), position=1)
    cursor = (await client.get(f"/profiles?{query}")).json()["next_cursor"]

    response = await client.get(f"/profiles?{same}&cursor={cursor}&limit=2")

    assert found([response]) == ["person2", "person3"]


@pytest.mark.parametrize(
    ("path", "asked"),
    [
        ("/profiles", ("/profiles", (), ProfileQuery())),
        (f"/profiles/{ADA.account_id}/activity", (OF_ACCOUNT.path, (str(ADA.account_id),), ActivityQuery())),
        ("/groups/ssju/members", (MEMBERS.path, ("ssju",), MemberQuery())),
    ],
)
async def test_a_forged_place_is_refused(client, directory, path, asked):
    """A client that knows how cursors are made gets no further than to places that can be there."""
    bound = msgspec.msgpack.encode(asked)
    cursors = [Cursor.behind(place, query=bound) for place in (b"x", b"x" * 16, b"\0" * 7, b"x" * 40)]

    responses = [await client.get(f"{path}?cursor={cursor}") for cursor in cursors]

    assert [problem(response) for response in responses] == [("invalid", ["?cursor"])] * 4
