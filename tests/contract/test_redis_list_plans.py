"""However a page of a list is found, it shows the same; and what bounds its cost."""

import pytest

from read_side.adapters.redis.lists import gather, plan, scan
from read_side.views import ProfileQuery, QueryTooBroad
from tests.support.crowds import crowd, handles, listed, walk
from tests.support.read_side import between_trips, changed, person

ANY = ("active", "closed", "suspended")
PEOPLE = crowd(120)
QUERIES = [
    ProfileQuery(statuses=ANY, tags=("senate", "house"), limit=4),
    ProfileQuery(statuses=ANY, tags=("senate", "house"), descending=True, order="updated_at", limit=4),
    ProfileQuery(statuses=ANY, tags=("senate",), words=("and",), order=None, limit=4),
    ProfileQuery(statuses=ANY, tags=("senate",), words=("and",), order=None, descending=True, limit=4),
    ProfileQuery(statuses=ANY, words=("car", "an", "s"), order=None, limit=4),
    ProfileQuery(words=("a",), order=None, limit=4),
    ProfileQuery(statuses=ANY, tags=("senate",), words=("and",), order="created_at", limit=4),
    ProfileQuery(words=("car", "an"), order="handle", descending=True, limit=4),
]
PLANS = {
    "small chunks": {
        "FIRST_CHUNK": 3,
        "GREATEST_CHUNK": 7,
        "CHUNK": 5,
        "SHEETS_CHUNK": 3,
        "WORDS_A_RECORD": 1,
        "FEWEST_WORDS": 1,
    },
    "short pages": {
        "FIRST_CHUNK": 3,
        "GREATEST_CHUNK": 7,
        "FEWEST_WORDS": 1,
        "MOST_LOOKED_AT": 20,
        "MOST_GATHERED": -1,
    },
    "always along the list": {"MOST_GATHERED": -1},
    "always put into order": {"MUCH_NARROWER": 0},
    "too many entries to be put into order": {"MOST_READ": 3, "CHUNK": 2},
}


@pytest.mark.parametrize("name", PLANS)
async def test_every_plan_finds_the_same(redis_views, redis_projection, monkeypatch, name):
    """However candidates are read and whichever list they are taken from."""
    redis_projection.commit(*PEOPLE, position=7)
    for constant, value in PLANS[name].items():
        module = next(each for each in (scan, gather, plan) if constant in vars(each))
        monkeypatch.setattr(module, constant, value)

    for query in QUERIES:
        people, lengths = await walk(redis_views, query)

        assert [each.handle for each in listed(PEOPLE, query)] == people, query
        assert name == "short pages" or {4} >= set(lengths[:-1]), query


async def test_a_page_looks_at_so_many_and_no_more(redis_views, redis_projection, monkeypatch):
    """It is empty then, and says where to go on."""
    monkeypatch.setattr(scan, "MOST_LOOKED_AT", 100)
    people = [person(number, tags=("a",) if number % 2 else ("b",)) for number in range(1, 301)]
    redis_projection.commit(*people, person(301, display_name="Zed", tags=("a", "b")), position=7)

    found, lengths = await walk(redis_views, ProfileQuery(tags=("a", "b")))

    assert (found, lengths) == (["person301"], [0, 1])


async def test_more_than_can_be_sorted_is_refused(redis_views, redis_projection, monkeypatch):
    """Exactly so many can be; in the order of words there is no limit, nor where other filters narrow them down."""
    monkeypatch.setattr(gather, "MOST_SORTED", 10)
    people = [person(number, handle=f"sam{number} samuel samson") for number in range(1, 12)]
    redis_projection.commit(*people[:10], position=7)
    query = ProfileQuery(words=("sam",), order="handle", descending=True, limit=3)
    expected = [each.handle for each in listed(people[:10], query)]

    assert expected == (await walk(redis_views, query))[0]

    redis_projection.commit(changed(people[10], tags=("t",)), position=8)

    with pytest.raises(QueryTooBroad, match="More than"):
        await redis_views.list(query)
    assert len((await walk(redis_views, changed(query, order=None)))[0]) == 11
    assert handles(await redis_views.list(changed(query, tags=("t",)))) == ["sam11 samuel samson"]
    assert len((await walk(redis_views, changed(query, words=("sam", "ada"))))[0]) == 11


async def test_more_entries_than_can_be_read_are_no_reason_to_refuse(redis_views, redis_projection, monkeypatch):
    """Nobody knows how many they are, if each has many words that begin alike: they are looked for along the list."""
    for constant, value in {"MOST_SORTED": 5, "MOST_READ": 3, "CHUNK": 2}.items():
        monkeypatch.setattr(gather, constant, value)
    people = [person(number) for number in range(1, 9)]
    redis_projection.commit(*people, position=7)
    query = ProfileQuery(words=("person",), order="handle", descending=True, limit=3)

    assert [each.handle for each in listed(people, query)] == (await walk(redis_views, query))[0]


@pytest.mark.parametrize("tags", [("a", "b"), ("b", "a")])
async def test_the_narrowest_list_is_the_one_gone_along(redis_views, redis_projection, monkeypatch, tags):
    """A rare match is found at once, however many share the other tag."""
    for constant, value in {"FIRST_CHUNK": 5, "GREATEST_CHUNK": 5, "MOST_LOOKED_AT": 20}.items():
        monkeypatch.setattr(scan, constant, value)
    people = [person(number, tags=("a",)) for number in range(1, 101)]
    redis_projection.commit(*people, person(101, display_name="Zed", tags=("a", "b")), position=7)

    assert await walk(redis_views, ProfileQuery(tags=tags, limit=4)) == (["person101"], [1])


async def test_who_moves_among_the_words_between_two_trips_is_not_left_out(redis_views, redis_projection, monkeypatch):
    """From the words still to be read to those that were read: the place in the order asked for stays the same."""
    monkeypatch.setattr(gather, "CHUNK", 2)
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
