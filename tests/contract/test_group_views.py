"""What all group views promise, on every adapter."""

from datetime import UTC, datetime, timedelta
from itertools import product
from random import Random
from uuid import UUID

import msgspec
import pytest

from read_side.views import GroupQuery, Match, MemberMatch, MemberQuery, NeverFilled, Page
from shared.read_model.envelope import entity_tag
from shared.read_model.ordering import GROUP_ORDERS
from shared.read_model.records import GroupRecord, MemberCard, MembershipRecord, Person
from tests.contract.crowds import GROUPS
from tests.contract.view_sides import ALSO_IN_PARTS, side_on
from tests.support.directory_views import filed, first_match, match, terms, words
from tests.support.read_side import changed

GROUP, OTHER = GROUPS[0], GROUPS[1]
ID = str(GROUP.group_id)
SINCE = datetime(2026, 1, 1, tzinfo=UTC)
ROLES = ("member", "Chair", "chair", "Ranking Member", "año", "m")


def person(number):
    return Person(account_id=UUID(int=number), handle=f"p{number}", display_name=f"Person {number}", status="active")


def memberships(count, *, group=GROUP, seed=1):
    random = Random(seed)
    return {
        (group.group_id, UUID(int=number)): MembershipRecord(
            role=random.choice(ROLES), since=SINCE + timedelta(days=random.randrange(-25_000, 25_000, 5_000))
        )
        for number in range(1, count + 1)
    }


def cards(belongs, *, group=GROUP, role=None):
    """Who belongs to a group, in the order in which they joined."""
    own = [(each.since, account.int, each) for (of, account), each in belongs.items() if of == group.group_id]
    return [
        MemberCard(**msgspec.structs.asdict(person(account)), role=each.role, since=since)
        for since, account, each in sorted(own, key=lambda card: card[:2])
        if role is None or filed(role) == filed(each.role)
    ]


@pytest.fixture(params=ALSO_IN_PARTS)
async def side(request):
    async with side_on(request.param, "groups", request) as side:
        yield side


@pytest.fixture
def filled(side):
    """All groups; 60 members in one of them and 5 in another."""
    belongs = memberships(60) | memberships(5, group=OTHER)
    side.projection.commit(*GROUPS, people=map(person, range(1, 61)), memberships=belongs, position=7)
    return side.views


def read(page, kind):
    return [msgspec.json.decode(each, type=kind) for each in page.documents]


async def walk(ask, query, kind):
    """Everything on all pages."""
    found = []
    while True:
        page = await ask(query)
        found += read(page, kind)
        if page.after is None:
            return found
        assert len(page.documents) == query.limit
        query = changed(query, after=page.after)


async def test_a_group_is_found_by_id_and_by_slug_in_any_case(filled):
    """The same document."""
    found = [await filled.get(name) for name in (ID, GROUP.slug, GROUP.slug.upper())]

    assert [found[0]] * 3 == found
    assert msgspec.json.decode(found[0].document.body, type=GroupRecord) == GROUP


async def test_a_group_that_is_not_there_is_nowhere(filled):
    """As of the checkpoint; whatever it is called."""
    for name in (str(UUID(int=1)), str(UUID(int=(1 << 128) - 1)), "nothing", "", "\0", "\xff", "*", "g" * 100_000):
        assert Match(7, None) == await filled.get(name)
        assert await filled.members(name, MemberQuery()) == Page(7, None)
        assert MemberMatch(7, None, group_exists=False) == await filled.member(name, str(UUID(int=1)))


async def test_a_slug_given_up_leads_nowhere_and_one_passed_on_to_its_new_group(side):
    side.projection.commit(GROUP, OTHER, position=1)

    side.projection.commit(changed(GROUP, slug="new"), changed(OTHER, slug=GROUP.slug), position=2)

    assert Match(2, None) == await side.views.get(OTHER.slug)
    passed_on = (await side.views.get(GROUP.slug)).document
    assert msgspec.json.decode(passed_on.body, type=GroupRecord).group_id == OTHER.group_id


def _key(group, query):
    looked_for, own = terms(" ".join(query.words)), words(group.slug, group.name)
    if not match(looked_for, own):
        return None
    if query.order is None:
        return first_match(looked_for, own), filed(group.name), group.group_id.int
    value = getattr(group, query.order)
    return filed(value) if isinstance(value, str) else value, group.group_id.int


async def test_every_combination_of_words_and_orders_is_as_brute_force_says(filled):
    """Groups are listed as people are."""
    for begun, descending, limit in product(
        ((), ("c",), ("me", "wa"), ("group-3",), ("x",)), (False, True), (1, 3, 200)
    ):
        for order in (*GROUP_ORDERS, None) if begun else GROUP_ORDERS:
            query = GroupQuery(words=begun, order=order, descending=descending, limit=limit)
            placed = [(key, group) for group in GROUPS if (key := _key(group, query)) is not None]
            expected = [group for _, group in sorted(placed, key=lambda each: each[0], reverse=descending)]

            assert expected == await walk(filled.list, query, GroupRecord), query


@pytest.mark.parametrize("limit", [1, 7, 60, 200])
async def test_members_are_listed_in_the_order_in_which_they_joined(filled, limit):
    """All, or those of a role, by id or slug."""
    belongs = memberships(60)
    for group, role in product((ID, GROUP.slug), (None, *ROLES)):
        found = await walk(
            lambda query, of=group: filled.members(of, query), MemberQuery(role=role, limit=limit), MemberCard
        )
        assert cards(belongs, role=role) == found


async def test_roles_that_read_alike_are_one(filled):
    """But the whole of it."""
    for same in (("año", "an\u0303o", "Ano"), ("Chair", "CHAIR", "cha\u200bir", "ch-air")):
        first, *others = [await filled.members(ID, MemberQuery(role=role)) for role in same]
        assert first.documents
        assert [first] * len(others) == others
    for nobodys in ("Cha", "", "\0", "m\0", "member\0\x80", "\xff", "r" * 100_000):
        assert await filled.members(ID, MemberQuery(role=nobodys)) == Page(7, ())


async def test_no_place_leads_out_of_the_group(filled):
    """To its beginning or to its end, but never to the members of another group."""
    belongs = memberships(60)
    for place, role in product((b"", b"\0", b"\xff" * 40, b"\x80", b"z" * 10_000), (None, "Chair")):
        found = read(await filled.members(ID, MemberQuery(role=role, after=place, limit=200)), MemberCard)
        expected = cards(belongs, role=role)
        assert expected[len(expected) - len(found) :] == found


async def test_a_card_is_one_document(filled):
    """The same bytes in the list and alone, where it has an entity tag."""
    page = await filled.members(ID, MemberQuery(limit=1))
    (first,) = page.documents
    account = str(cards(memberships(60))[0].account_id)

    alone = [await filled.member(name, account) for name in (ID, GROUP.slug)]

    assert [(first, entity_tag(first))] * 2 == [(each.document.body, each.document.etag) for each in alone]


async def test_who_does_not_belong_has_no_card(filled):
    """To a group that is there."""
    for account in (UUID(int=61), UUID(int=60), UUID(int=(1 << 128) - 1)):
        answer = await filled.member(OTHER.slug, str(account))
        assert MemberMatch(7, None, group_exists=True) == answer
    assert await filled.members(GROUPS[2].slug, MemberQuery()) == Page(7, ())


async def test_cards_show_who_a_member_is_now(filled, side):
    """A changed name shows in all groups, a changed role in one."""
    renamed = changed(person(1), display_name="New", status="suspended")
    promoted = MembershipRecord(role="Chair", since=memberships(1)[GROUP.group_id, UUID(int=1)].since)
    side.projection.commit(people=[renamed], memberships={(GROUP.group_id, UUID(int=1)): promoted}, position=8)

    own = [read(await filled.members(group.slug, MemberQuery(limit=200)), MemberCard) for group in (GROUP, OTHER)]

    (one,), (other,) = ([each for each in found if each.account_id == renamed.account_id] for found in own)
    assert (one.display_name, one.status, one.role) == ("New", "suspended", "Chair")
    assert (other.display_name, other.status) == ("New", "suspended")
    chairs = read(await filled.members(ID, MemberQuery(role="Chair", limit=200)), MemberCard)
    assert one in chairs


async def test_a_walk_meets_every_member_once_while_others_come_and_go(side):
    """Those who belong throughout."""
    belongs, random = memberships(80), Random(3)
    side.projection.commit(GROUP, people=map(person, range(1, 200)), memberships=belongs, position=1)
    steady, met, query = set(belongs), [], MemberQuery(limit=7)
    for step in range(200):
        page = await side.views.members(ID, query)
        met += [(GROUP.group_id, each.account_id) for each in read(page, MemberCard)]
        gone, come = random.choice(list(belongs)), (GROUP.group_id, UUID(int=random.randrange(81, 200)))
        changes = {gone: None, come: MembershipRecord(role="m", since=SINCE + timedelta(days=step))}
        side.projection.commit(memberships=changes, position=step + 2)
        belongs = {key: each for key, each in (belongs | changes).items() if each}
        steady -= set(changes)
        if page.after is None:
            break
        query = changed(query, after=page.after)

    assert page.after is None
    assert {1} == {met.count(each) for each in steady}


async def test_a_group_that_is_gone_takes_its_members_along(filled, side):
    """Nothing of it is there any more; of others everything is."""
    side.projection.commit(gone=[GROUP.group_id], position=8)

    for name in (ID, GROUP.slug):
        assert Match(8, None) == await filled.get(name)
        assert await filled.members(name, MemberQuery()) == Page(8, None)
        assert MemberMatch(8, None, group_exists=False) == await filled.member(name, str(UUID(int=1)))
    assert len((await filled.members(OTHER.slug, MemberQuery())).documents) == 5


async def test_before_the_first_fill_nothing_is_missing(side):
    """`NeverFilled`, whatever is asked."""
    views = side.views
    for ask in (
        lambda: views.get(ID),
        lambda: views.get("slug"),
        lambda: views.list(GroupQuery()),
        lambda: views.members(ID, MemberQuery()),
        lambda: views.member("slug", str(UUID(int=1))),
        views.position,
    ):
        with pytest.raises(NeverFilled):
            await ask()
