"""However a page of a list is found, it shows the same; and what bounds its cost."""

import pytest

from read_side.adapters.list_query import ListLimits
from read_side.views import ProfileQuery
from tests.contract.crowds import crowd, handles, listed, walk
from tests.support.read_side import between_trips, changed, person

ANY = ("active", "closed", "suspended")
PEOPLE = crowd(120)
QUERIES = [
    ProfileQuery(statuses=ANY, tags=("senate", "house"), limit=4),
    ProfileQuery(statuses=ANY, tags=("senate", "house"), descending=True, order="updated_at", limit=4),
    ProfileQuery(statuses=ANY, tags=("senate", "house", "andromeda"), order="handle", limit=4),
    ProfileQuery(statuses=ANY, tags=("senate",), words=("and",), order=None, limit=4),
    ProfileQuery(tags=("senate", "año"), words=("and",), order=None, limit=4),
    ProfileQuery(statuses=ANY, tags=("senate",), words=("and",), order=None, descending=True, limit=4),
    ProfileQuery(statuses=ANY, words=("car", "an", "s"), order=None, limit=4),
    ProfileQuery(words=("a",), order=None, limit=4),
    ProfileQuery(statuses=ANY, tags=("senate",), words=("and",), order="created_at", limit=4),
    ProfileQuery(words=("car", "an"), order="handle", descending=True, limit=4),
    ProfileQuery(statuses=ANY, words=("o-nei",), order=None, limit=4),
    ProfileQuery(statuses=ANY, words=("s-trasse", "an-dre"), order=None, descending=True, limit=4),
    ProfileQuery(statuses=ANY, words=("an-dre-c",), order="created_at", limit=4),
    ProfileQuery(statuses=ANY, words=("o-nei",), tags=("senate",), order="handle", limit=4),
]
PLANS = {
    "small chunks": ListLimits(greatest_chunk=7, chunk=5, rows_chunk=3, words_a_record=1),
    "short pages": ListLimits(greatest_chunk=7, looked_at=20, gathered=-1),
    "bad guesses": ListLimits(chance=1.0, spare=0.1, words_a_record=1),
    "always along the list": ListLimits(gathered=-1),
    "always put into order": ListLimits(narrower=0),
    "too many entries to be put into order": ListLimits(read=3, chunk=2),
}


@pytest.mark.parametrize("list_limits", PLANS.values(), ids=PLANS)
async def test_every_plan_finds_the_same(redis_views, redis_projection, list_limits):
    """However candidates are read and whichever list they are taken from."""
    redis_projection.commit(*PEOPLE, position=7)

    for query in QUERIES:
        people, lengths = await walk(redis_views, query)

        assert [each.handle for each in listed(PEOPLE, query)] == people, query
        assert list_limits == PLANS["short pages"] or {4} >= set(lengths[:-1]), query


@pytest.mark.parametrize("list_limits", [ListLimits(looked_at=100, greatest_chunk=100)])
async def test_a_page_looks_at_so_many_and_no_more(redis_views, redis_projection):
    """It is empty then, and says where to go on."""
    people = [person(number, tags=("a",) if number % 2 else ("b",)) for number in range(1, 301)]
    redis_projection.commit(*people, person(301, display_name="Zed", tags=("a", "b")), position=7)

    found, lengths = await walk(redis_views, ProfileQuery(tags=("a", "b")))

    assert (found, lengths) == (["person301"], [0, 1])


@pytest.mark.parametrize("list_limits", [ListLimits(sorted=5, read=3, chunk=2)])
async def test_more_entries_than_can_be_read_are_no_reason_to_refuse(redis_views, redis_projection):
    """Nobody knows how many they are, if each has many words that begin alike: they are looked for along the list."""
    people = [person(number) for number in range(1, 9)]
    redis_projection.commit(*people, position=7)
    query = ProfileQuery(words=("person",), order="handle", descending=True, limit=3)

    assert [each.handle for each in listed(people, query)] == (await walk(redis_views, query))[0]


@pytest.mark.parametrize("tags", [("a", "b"), ("b", "a")])
@pytest.mark.parametrize("list_limits", [ListLimits(greatest_chunk=5, looked_at=20)])
async def test_the_narrowest_list_is_the_one_gone_along(redis_views, redis_projection, tags):
    """A rare match is found at once, however many share the other tag."""
    people = [person(number, tags=("a",)) for number in range(1, 101)]
    redis_projection.commit(*people, person(101, display_name="Zed", tags=("a", "b")), position=7)

    assert await walk(redis_views, ProfileQuery(tags=tags, limit=4)) == (["person101"], [1])


@pytest.mark.parametrize(
    ("list_limits", "expected"),
    [(ListLimits(remembered=60), [4, 3]), (ListLimits(remembered=0), [4, 4])],
    ids=["remembered", "not remembered"],
)
async def test_how_long_lists_are_is_remembered_for_a_while(redis_views, redis_projection, expected):
    """It saves a trip, and hides nothing that has come since."""
    people = [person(number, tags=("a", "b")) for number in range(1, 4)]
    redis_projection.commit(*people, position=7)
    await redis_views.position()

    trips, pages = [], []
    for position in (8, 9):
        with redis_projection.counting_trips() as made:
            pages.append(len(handles(await redis_views.list(ProfileQuery(tags=("a", "b"))))))
            trips.append(made())
        redis_projection.commit(*(person(100 * position + n, tags=("a", "b")) for n in range(40)), position=position)

    assert (expected, [3, 43]) == (trips, pages)


@pytest.mark.parametrize(
    ("list_limits", "expected"),
    [(ListLimits(remembered=60, lengths=5), 3), (ListLimits(remembered=60, lengths=4), 4)],
    ids=["enough", "too few"],
)
async def test_so_many_lengths_are_remembered_and_no_more(redis_views, redis_projection, expected):
    """However many tags are asked for."""
    redis_projection.commit(person(1, tags=("a", "b", "c", "d")), position=7)
    await redis_views.list(ProfileQuery(tags=("a", "b")))
    await redis_views.list(ProfileQuery(tags=("c", "d")))

    with redis_projection.counting_trips() as made:
        await redis_views.list(ProfileQuery(tags=("a", "b")))
        trips_made = made()

    assert expected == trips_made


@pytest.mark.parametrize("list_limits", [ListLimits(remembered=0)])
async def test_a_list_is_read_whole_rather_than_all_but_a_few(redis_views, redis_projection):
    """However unlikely it was that those who fit are the last of it."""
    names = [f"{number:03}" for number in range(141)]
    seldom = [
        person(number, display_name=names[number], tags=("a", "b") if number > 130 else ("a",))
        for number in range(1, 141)
    ]
    others = [person(number, tags=("b",) if number < 281 else ()) for number in range(141, 301)]
    redis_projection.commit(*seldom, *others, position=7)
    await redis_views.list(ProfileQuery())

    with redis_projection.counting_trips() as made:
        page = await redis_views.list(ProfileQuery(tags=("a", "b")))
        trips_made = made()

    assert (len(handles(page)), page.after, trips_made) == (10, None, 4)


@pytest.mark.parametrize("list_limits", [ListLimits(chunk=2)])
async def test_who_moves_among_the_words_between_two_trips_is_not_left_out(redis_views, redis_projection):
    """From the words still to be read to those that were read: the place in the order asked for stays the same."""
    people = [person(number, display_name=f"Ana {last}") for number, last in enumerate("abcz", start=1)]
    redis_projection.commit(*people, position=7)
    query = ProfileQuery(words=("ana",), order="created_at")
    everybody = handles(await redis_views.list(query))

    def rename():
        redis_projection.commit(changed(people[-1], display_name="Ana aa"), position=8)

    with between_trips(redis_views, rename):
        page = await redis_views.list(query)

    assert len(everybody) == len(people)
    assert everybody == handles(page)
