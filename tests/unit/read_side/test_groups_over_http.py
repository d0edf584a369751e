"""`GET /groups…` as a client sees it."""

from datetime import timedelta
from uuid import UUID

import msgspec
import pytest

from read_side.adapters.list_query import ListLimits
from shared.read_model.records import GroupRecord, MemberCard, MembershipRecord, Person
from tests.support.directory import FINANCE, JUDICIARY, MEMBERSHIPS, PEOPLE
from tests.support.read_side import ADA, BOB, changed
from tests.unit.read_side.test_look_ups_over_http import problem
from tests.unit.read_side.test_walks_over_http import walk

MEMBERS = "/groups/ssju/members"


def group(number, **changes):
    """Make a group of its own, with a name in the order of its number."""
    own = {"group_id": UUID(int=number), "slug": f"group-{number}", "name": f"Group {number:04}"}
    return changed(JUDICIARY, **(own | changes))


async def slugs(client, query=""):
    response = await client.get(f"/groups{query}")
    assert response.status_code == 200, response.text
    return [each["slug"] for each in response.json()["items"]]


@pytest.mark.parametrize("named", ["ssju", "SSJU", "%73sju", str(JUDICIARY.group_id), str(JUDICIARY.group_id).upper()])
async def test_a_group_is_found(client, groups, named):
    """By its id or its slug, in whatever case, it is the same record with the same entity tag."""
    response = await client.get(f"/groups/{named}")

    assert msgspec.json.decode(response.content, type=GroupRecord) == JUDICIARY
    assert response.headers["etag"] == (await client.get("/groups/ssju")).headers["etag"]


async def test_a_deleted_group_is_not_found(client, groups):
    """Nor are its members."""
    groups.commit(gone=[JUDICIARY.group_id], position=9)

    for path in ("/groups/ssju", MEMBERS, f"{MEMBERS}/{ADA.account_id}"):
        assert problem(await client.get(path)) == ("group-not-found", [])
    assert await slugs(client) == ["ssfi"]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ["edu", "ssfi", "ssju"]),
        ("?sort=name", ["edu", "ssfi", "ssju"]),
        ("?sort=-name", ["ssju", "ssfi", "edu"]),
        ("?sort=slug", ["edu", "ssfi", "ssju"]),
        ("?sort=-slug", ["ssju", "ssfi", "edu"]),
        ("?sort=member_count", ["ssfi", "ssju", "edu"]),
        ("?sort=-member_count", ["edu", "ssju", "ssfi"]),
        ("?sort=created_at", ["edu", "ssju", "ssfi"]),
        ("?sort=-updated_at", ["edu", "ssfi", "ssju"]),
        ("?q=committee", ["edu", "ssju"]),
        ("?q=on", ["edu", "ssju"]),
        ("?q=EDUC", ["edu"]),
        ("?q=ss", ["ssfi", "ssju"]),
        ("?q=committee&sort=-name", ["ssju", "edu"]),
        ("?q=nothing", []),
        ("?q=", ["edu", "ssfi", "ssju"]),
        ("?limit=1", ["edu"]),
    ],
)
async def test_a_list_has_those_that_fit_in_order(client, groups, query, expected):
    """Equal ones are in the order of their ids; words are of slug and name."""
    day = timedelta(days=1)
    times = {"created_at": JUDICIARY.created_at - day, "updated_at": JUDICIARY.updated_at + day}
    groups.commit(group(1, slug="edu", name="Éducation, Committee on", member_count=10, **times), position=9)

    assert expected == await slugs(client, query)


@pytest.mark.parametrize(
    "query", ["limit=2", "limit=2&sort=-member_count", "limit=2&q=group", "limit=2&q=g&sort=-slug"]
)
async def test_a_walk_meets_every_group_once(client, empty_groups, query):
    """Page by page, and the last one says that it is."""
    empty_groups.commit(*(group(number, member_count=number % 2) for number in range(5)), position=1)

    pages = await walk(client, f"/groups?{query}")

    assert [len(page.json()["items"]) for page in pages] == [2, 2, 1]
    assert len({each["slug"] for page in pages for each in page.json()["items"]}) == 5


@pytest.mark.parametrize("list_limits", [ListLimits(sorted=2)])
async def test_too_many_matches_are_not_sorted(client, empty_groups):
    """As with people."""
    empty_groups.commit(*map(group, range(3)), position=1)

    assert problem(await client.get("/groups?q=group&sort=slug")) == ("query-too-broad", ["?q"])
    assert len(await slugs(client, "?q=group")) == 3


async def test_members_are_listed_as_they_joined(client, groups):
    """A card says who it is, their role in the group, and since when."""
    response = await client.get(MEMBERS)

    cards = [msgspec.convert(each, MemberCard) for each in response.json()["items"]]
    assert [(card.handle, card.role) for card in cards] == [("Ada", "Chairman"), ("bob", "member")]
    assert cards[0].since == MEMBERSHIPS[JUDICIARY.group_id, ADA.account_id].since
    *fields, stale_since = MemberCard.__struct_fields__
    assert (list(response.json()["items"][0]), stale_since) == (fields, "stale_since")


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("?role=Chairman", ["Ada"]),
        ("?role=chairman", ["Ada"]),
        ("?role=member", ["bob"]),
        ("?role=Pr%C3%A9sident", []),
        ("?role=chair", []),
        ("?limit=1", ["Ada"]),
    ],
)
async def test_members_of_one_role(client, groups, query, expected):
    """A role is compared as words are looked for, but the whole of it."""
    response = await client.get(f"{MEMBERS}{query}")

    assert expected == [each["handle"] for each in response.json()["items"]]


async def test_a_role_is_composed(client, groups):
    """Roles are stored in NFC."""
    belongs = {(FINANCE.group_id, ADA.account_id): MembershipRecord(role="Pr\u00e9sidente", since=ADA.created_at)}
    groups.commit(memberships=belongs, position=9)

    response = await client.get("/groups/ssfi/members?role=Pre%CC%81sidente")

    assert len(response.json()["items"]) == 1


async def test_one_member_is_the_card_of_the_list(client, groups):
    """Byte for byte; ids are as blind to case as everywhere."""
    listed = await client.get(f"{MEMBERS}?limit=1")

    response = await client.get(f"{MEMBERS}/{str(ADA.account_id).upper()}")

    assert response.content in listed.content
    assert response.json()["role"] == "Chairman"


async def test_a_walk_meets_every_member_once(client, empty_groups):
    """Those who joined at the same moment too."""
    people = [Person(account_id=UUID(int=n), handle=f"p{n}", display_name="P", status="active") for n in range(7)]
    belong = {
        (JUDICIARY.group_id, each.account_id): MembershipRecord(role="member", since=JUDICIARY.created_at)
        for each in people
    }
    empty_groups.commit(JUDICIARY, people=people, memberships=belong, position=1)

    pages = await walk(client, f"{MEMBERS}?limit=3&role=member")

    assert [each["handle"] for page in pages for each in page.json()["items"]] == [each.handle for each in people]


async def test_a_cursor_is_of_one_group(client, groups):
    """The members of another are asked for anew; the same group may be named in another way of writing."""
    groups.commit(
        memberships={
            (FINANCE.group_id, each.account_id): MembershipRecord(role="x", since=BOB.created_at) for each in PEOPLE
        },
        position=9,
    )
    cursor = (await client.get(f"{MEMBERS}?limit=1")).json()["next_cursor"]

    other = await client.get(f"/groups/ssfi/members?cursor={cursor}")
    same = await client.get(f"/groups/SSJU/members?cursor={cursor}")

    assert problem(other) == ("invalid", ["?cursor"])
    assert [each["handle"] for each in same.json()["items"]] == ["bob"]
