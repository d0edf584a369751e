"""What lists of people promise, on every adapter."""

from itertools import cycle, product
from random import Random
from typing import Any
from uuid import UUID

import msgspec
import pytest

from read_side.adapters.list_query import ListLimits
from read_side.views import NeverFilled, Page, ProfileQuery, QueryTooBroad
from shared.read_model.records import ProfileRecord, PublicProfileRecord
from tests.contract.crowds import GROUPS, circumstances, crowd, listed, made_person, where
from tests.contract.view_sides import ALSO_IN_PARTS, side_on
from tests.support.examples import at_night
from tests.support.read_side import ADA, BOB, changed, person

ANY = ("active", "closed", "suspended")
ORDERS = ("display_name", "handle", "created_at", "updated_at")
PEOPLE = crowd(150)
HOSTILE = (
    "\0",
    "house\0",
    "a\0andre",
    "\xff",
    "\U0010ffff",
    "*",
    "[",
    "(",
    "-",
    "+",
    "x" * 100_000,
    "\r\nFLUSHALL\r\n",
)
PLACES = (b"", b"\0", b"\xff", b"\xff" * 40, b"a", b"andre carson\0", b"z" * 100_000, b"[", b"(", b"+", b"-", b"*a\0")
NOBODYS = (
    ProfileQuery(),
    ProfileQuery(tags=("a", "b")),
    ProfileQuery(words=("a",), group="x"),
    ProfileQuery(statuses=()),
)


@pytest.fixture(params=ALSO_IN_PARTS)
async def side(request, list_limits):
    async with side_on(request.param, "profiles", request, list_limits=list_limits) as side:
        yield side


@pytest.fixture
def crowded(side):
    side.projection.commit(*PEOPLE, position=7)
    return side.views


def read(page):
    return [msgspec.json.decode(each, type=ProfileRecord) for each in page.documents]


async def pages(views, query):
    """Walk through a list by its cursors."""
    while True:
        page = await views.list(query)
        yield page
        if page.after is None:
            return
        query = msgspec.structs.replace(query, after=page.after)


async def walk(views, query):
    return [record async for page in pages(views, query) for record in read(page)]


def handles(people):
    return [each.handle for each in people]


def queries():
    """Every combination of filters and orders."""
    limits = cycle((11, 60, 200))
    statuses, groups = (("active",), ("suspended",), ANY), (None, str(GROUPS[0].group_id), GROUPS[1].slug)
    tags = ((), ("senate",), ("andromeda", "x" * 64))
    words = ((), ("a",), ("and",), ("sen", "andre"), ("car", "an", "s"), ("o-nei",), ("an", "s-trasse"))
    for status, group, tag, word, descending in product(statuses, groups, tags, words, (False, True)):
        for order in (*ORDERS, None) if word else ORDERS:
            yield ProfileQuery(
                statuses=status,
                group=group,
                tags=tag,
                words=word,
                order=order,
                descending=descending,
                limit=next(limits),
            )


def some_of(everything, request):
    """What a test tries on its adapter: combinations of its own, at night all of them."""
    return everything if at_night() else Random(request.node.name).sample(everything, k=40)


async def test_filters_and_orders_combined_are_as_brute_force_says(crowded, request):
    """Who is on the pages, and in which order; every page but the last is full."""
    tried, found = some_of(list(queries()), request), 0
    for query in tried:
        seen = [page async for page in pages(crowded, query)]

        people = [record for page in seen for record in read(page)]
        assert handles(listed(PEOPLE, query)) == handles(people), query
        assert {query.limit} >= {len(page.documents) for page in seen[:-1]}, query
        found += bool(people)
    assert found > len(tried) / 2


async def test_a_page_is_made_of_documents_as_they_are_stored(crowded):
    """The same bytes as by id, full or public."""
    query = ProfileQuery(limit=5)

    full, public = await crowded.list(query), await crowded.list(query, variant="public")

    for page, variant, record in ((full, "full", ProfileRecord), (public, "public", PublicProfileRecord)):
        people: list[Any] = [msgspec.json.decode(each, type=record) for each in page.documents]
        by_id = [(await crowded.by_id(str(each.account_id), variant=variant)).document.body for each in people]
        assert by_id == list(page.documents)
        assert page.position == 7
    assert handles(listed(PEOPLE, query)[:5]) == handles(read(full))
    assert b"example.org" not in b"".join(public.documents)


async def test_an_unknown_group_has_no_members(crowded):
    """An empty list, whatever the group is called."""
    for group in ("nobodys", str(UUID(int=1)), "\0", "\xff", "ff" * 16, "g"):
        assert await crowded.list(ProfileQuery(group=group)) == Page(7, ())


async def test_a_group_is_named_in_any_case(crowded):
    named = [await crowded.list(ProfileQuery(group=name)) for name in ("group-1", "GROUP-1", str(GROUPS[1].group_id))]

    assert named[0].documents
    assert [named[0]] * 3 == named


@pytest.mark.parametrize(
    "alike",
    [
        ("senate", "Senate", "\uff33ENATE", "sen\u00adate", "Sen-Ate"),
        ("año", "an\u0303o", "Ano"),
        ("r&d", "R&D", "r-&d"),
    ],
)
async def test_tags_that_read_alike_are_one(crowded, alike):
    """Whichever a person carries and whichever is asked for; but the whole of it."""
    query = ProfileQuery(tags=alike[:1], limit=200)
    expected = handles(listed(PEOPLE, query))

    assert expected
    assert [expected] * len(alike) == [handles(await walk(crowded, changed(query, tags=(tag,)))) for tag in alike]
    assert not (await crowded.list(ProfileQuery(tags=(alike[0][:-1],)))).documents


async def test_nobody_leaves_a_list_by_what_is_looked_for(crowded, request):
    """Tags and words that look like other lists find nobody, alone or beside others."""
    queries = [
        query
        for hostile, order in product(HOSTILE, (*ORDERS, None))
        for query in (
            ProfileQuery(tags=(hostile,), order=order or "handle"),
            ProfileQuery(tags=(hostile, "senate"), order=order or "handle"),
            ProfileQuery(words=(hostile,), order=order),
            ProfileQuery(words=("and", hostile), order=order),
        )
    ]
    for query in some_of(queries, request):
        assert await crowded.list(query) == Page(7, ()), query


async def test_nobody_leaves_a_list_by_a_place(crowded, request):
    """Any place leads into the list, to its beginning or to its end."""
    every_walk = [
        (place, ProfileQuery(words=words, order=order, descending=descending, limit=200))
        for place, words, descending in product(PLACES, ((), ("and",), ("car", "an")), (False, True))
        for order in ((*ORDERS, None) if words else ORDERS)
    ]
    for place, query in some_of(every_walk, request):
        people, fitting = await walk(crowded, changed(query, after=place)), listed(PEOPLE, query)
        assert fitting[len(fitting) - len(people) :] == people, query
        assert people[:5] == read(await crowded.list(changed(query, after=place, limit=5))), query


async def test_accents_and_case_are_passed_over(side):
    """In search and in order."""
    names = ("Émile", "emil", "EMILIA", "Øyvind", "oyster", "Ångström")
    side.projection.commit(
        *(person(n + 1, display_name=name, given_name=None) for n, name in enumerate(names)), position=7
    )

    by_name = await side.views.list(ProfileQuery())
    found = await side.views.list(ProfileQuery(words=("emil",), order=None))

    assert [each.display_name for each in read(by_name)] == ["Ångström", "emil", "Émile", "EMILIA", "oyster", "Øyvind"]
    assert [each.display_name for each in read(found)] == ["emil", "Émile", "EMILIA"]


async def test_equal_ones_are_in_the_order_of_their_ids(side):
    """So that a page can end among them, in both directions."""
    people = [person(number, display_name="Same") for number in (5, 3, 1 << 127, 1, 255, 256)]
    side.projection.commit(*people, position=7)
    expected = sorted(people, key=lambda each: each.account_id.int)

    assert expected == await walk(side.views, ProfileQuery(limit=1))
    assert expected[::-1] == await walk(side.views, ProfileQuery(limit=1, descending=True))


async def test_a_person_is_found_once_however_many_words_match(side):
    """At the first of them, in the order of words."""
    ada = changed(ADA, display_name="Anna Anders", handle="anton", tags=("ant", "antenna", "an"), title="Analyst")
    side.projection.commit(ada, changed(BOB, display_name="Anb"), position=7)

    found = [
        await walk(side.views, ProfileQuery(words=("an",), order=None, limit=1, descending=each)) for each in (0, 1)
    ]

    assert list(map(handles, found)) == [["anton", "bob"], ["bob", "anton"]]


@pytest.mark.parametrize("list_limits", [ListLimits(sorted=10)])
async def test_one_word_that_more_have_than_can_be_sorted_is_refused(side):
    """Exactly so many can be; in the order of words there is no limit, nor where anything else narrows them down."""
    people = [
        person(number, handle=f"sam{number} samuel samson", tags=("t",) * (number > 10)) for number in range(1, 12)
    ]
    side.projection.commit(*people[:10], position=7)
    query = ProfileQuery(words=("sam",), order="handle", descending=True, limit=3)

    assert listed(people[:10], query) == await walk(side.views, query)

    side.projection.commit(people[10], position=8)

    with pytest.raises(QueryTooBroad, match="More than"):
        await side.views.list(query)
    for answered in ({"order": None}, {"tags": ("t",)}, {"words": ("sam", "ada")}, {"words": ("sam-son",)}):
        served = changed(query, **answered)
        assert listed(people, served) == await walk(side.views, served), answered


async def test_a_list_of_nobody_is_not_the_same_as_none(side):
    """Empty once it is filled, `NeverFilled` before."""
    with pytest.raises(NeverFilled):
        await side.views.list(ProfileQuery())

    side.projection.commit(position=3)

    for query in NOBODYS:
        assert await side.views.list(query) == Page(3, ())


@pytest.mark.parametrize("seed", range(6 if at_night() else 2))
async def test_a_walk_meets_everybody_once_while_others_come_go_and_change(side, seed):
    """A person who fits throughout and does not move is met exactly once; one who changes breaks nothing."""
    random, there = Random(f"changes {seed}"), {each.handle: each for each in crowd(150, seed=seed)}
    side.projection.commit(*there.values(), position=1)
    for query in random.sample(list(queries()), 12):
        met, stands = [], {name: where(each, query) for name, each in there.items()}

        async for page in pages(side.views, msgspec.structs.replace(query, limit=5)):
            met += handles(read(page))
            moved = [changed(each, **circumstances(random)) for each in random.sample(list(there.values()), 5)]
            moved.append(made_person(random.randrange(10**6, 10**9), random))
            side.projection.commit(*moved, position=page.position + 1)
            there |= {each.handle: each for each in moved}
            stands |= {each.handle: None for each in moved if where(each, query) != stands.get(each.handle)}

        steady = [name for name, place in stands.items() if place is not None]
        assert [1] * len(steady) == [met.count(name) for name in steady], query
