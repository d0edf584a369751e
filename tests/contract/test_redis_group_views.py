"""What only Redis can get wrong about groups: how many trips it takes, what happens between them, what is torn."""

from datetime import UTC, datetime
from uuid import UUID

import msgspec
import pytest

from projector.projections import groups
from read_side.views import GroupQuery, MemberMatch, MemberQuery, Page
from shared.errors import Unavailable
from shared.read_model.records import MemberCard, MembershipRecord, Person
from tests.contract.crowds import GROUPS
from tests.contract.view_sides import side_on
from tests.support.read_side import RedisGroups, between_trips, changed

GROUP, OTHER = GROUPS[0], GROUPS[1]
ID, SLUG = str(GROUP.group_id), GROUP.slug
JOINED = datetime(2026, 1, 1, tzinfo=UTC)
ANN, BEN = (
    Person(account_id=UUID(int=number), handle=name, display_name=name.title(), status="active")
    for number, name in enumerate(("ann", "ben"), start=1)
)
MEMBERSHIPS = {
    (GROUP.group_id, each.account_id): MembershipRecord(role="m", since=JOINED.replace(day=day))
    for day, each in enumerate((ANN, BEN), start=1)
}


@pytest.fixture(params=["valkey", "genuine_redis"])
async def side(request):
    """Two groups, and in one of them two members."""
    async with side_on(request.param, "groups", request) as side:
        side.projection.commit(GROUP, OTHER, people=(ANN, BEN), memberships=MEMBERSHIPS, position=7)
        await side.views.position()
        yield side


@pytest.fixture
def views(side):
    return side.views


@pytest.fixture
def projection(side):
    return side.projection


def handles(page):
    return [msgspec.json.decode(each, type=MemberCard).handle for each in page.documents]


@pytest.mark.parametrize(
    ("ask", "expected"),
    [
        (lambda views: views.get(ID), 1),
        (lambda views: views.get(SLUG), 2),
        (lambda views: views.list(GroupQuery()), 2),
        (lambda views: views.members(ID, MemberQuery()), 2),
        (lambda views: views.members(ID, MemberQuery(role="m")), 2),
        (lambda views: views.members(SLUG, MemberQuery()), 3),
        (lambda views: views.member(ID, str(ANN.account_id)), 1),
        (lambda views: views.member(SLUG, str(ANN.account_id)), 2),
    ],
)
async def test_every_question_takes_so_many_trips(views, projection, ask, expected):
    """A slug is one more than an id."""
    before = executed(projection)

    await ask(views)

    assert expected == executed(projection) - before


def executed(projection):
    return projection.client.info("commandstats")["cmdstat_exec"]["calls"]


async def test_memberships_that_outlive_their_group_are_not_seen(views, projection):
    """While a deletion is brought to them one after another."""
    projection.save({groups.GROUP.key(ID): None}, position=9, fan_outs=[9])

    assert await views.members(ID, MemberQuery()) == Page(8, None)
    assert await views.members(SLUG, MemberQuery()) == Page(8, None)
    assert MemberMatch(8, None, group_exists=False) == await views.member(ID, str(ANN.account_id))


@pytest.mark.parametrize("name", [ID, SLUG])
async def test_a_group_that_goes_between_two_trips_shows_nobody(views, projection, name):
    """Its members went with it."""
    with between_trips(views, *[None] * (name == SLUG), lambda: projection.commit(gone=[GROUP.group_id], position=8)):
        page = await views.members(name, MemberQuery())

    assert page.documents is None


async def test_members_who_go_between_two_trips_are_not_shown(views, projection):
    """Nor those who have come back since, and stand elsewhere; the page is as old as its first trip."""
    back = {(GROUP.group_id, ANN.account_id): MembershipRecord(role="m", since=JOINED.replace(year=2027))}
    with between_trips(views, lambda: projection.commit(memberships=back, position=8)):
        page = await views.members(ID, MemberQuery())
    assert (handles(page), page.position) == (["ben"], 7)

    changes = {(GROUP.group_id, BEN.account_id): MembershipRecord(role="chair", since=JOINED.replace(day=2))}
    with between_trips(views, lambda: projection.commit(memberships=changes, position=9)):
        assert handles(await views.members(ID, MemberQuery(role="m"))) == ["ann"]
    with between_trips(views, lambda: projection.commit(memberships=dict.fromkeys(MEMBERSHIPS), position=10)):
        assert (await views.members(ID, MemberQuery()))[:2] == (8 + 1, ())


async def test_a_page_of_members_is_of_one_generation(views, projection):
    """Another one goes live between range and cards."""
    rebuilt = RedisGroups(projection.client, generation="g2")
    kept = {belongs: each for belongs, each in MEMBERSHIPS.items() if belongs[1] == BEN.account_id}

    with between_trips(views, lambda: rebuilt.commit(GROUP, people=(ANN, BEN), memberships=kept, position=8)):
        page = await views.members(ID, MemberQuery())

    assert (handles(page), page.position) == (["ben"], 8)


async def test_a_card_that_is_torn_is_not_shown(views, projection):
    """One half of it is missing, or cannot be read."""
    client, keys = projection.client, projection.keys
    client.hdel(keys.documents("person", "full"), str(ANN.account_id))

    assert handles(await views.members(ID, MemberQuery())) == ["ben"]
    assert (await views.member(ID, str(ANN.account_id))).document is None

    client.hset(keys.documents("membership", "full"), f"{ID}:{BEN.account_id}", b'7 "x"\n{"role"')

    with pytest.raises(Unavailable):
        await views.members(ID, MemberQuery())


async def test_a_slug_that_moves_between_two_trips_leads_to_its_new_group(views, projection):
    """Whatever is asked about it."""
    moves = iter(range(8, 20))

    def move():
        pair = (GROUP, OTHER) if (position := next(moves)) % 2 else (OTHER, GROUP)
        projection.commit(changed(pair[0], slug=SLUG), changed(pair[1], slug="other"), position=position)

    with between_trips(views, move):
        answer = await views.get(SLUG)
    with between_trips(views, move):
        page = await views.members(SLUG, MemberQuery())
    with between_trips(views, move):
        member = await views.member(SLUG, str(ANN.account_id))

    assert str(OTHER.group_id).encode() in answer.document.body
    assert handles(page) == ["ann", "ben"]
    assert (member.document, member.group_exists) == (None, True)
