"""What only Redis can get wrong about lists: how many trips a page takes, what happens between them, what is torn."""

import asyncio

import msgspec
import pytest

from projector.projections.profiles import GROUP
from read_side.adapters.list_query import ListLimits
from read_side.adapters.redis.limits import RedisReadLimits
from read_side.views import Page, ProfileQuery
from shared.errors import Unavailable
from shared.read_model.index_rows import profile_row
from shared.read_model.keys import INDEX_ROW
from shared.read_model.ordering import NUL, place, tag_facet, text_key
from tests.contract.crowds import GROUPS, crowd, handles, listed, walk
from tests.support.read_side import ADA, BOB, RedisProjection, between_trips, changed, group_name, person, served

ANY = ("active", "closed", "suspended")
PEOPLE = crowd(120)
IN_GROUP = changed(ADA, groups=(PEOPLE[0].groups or PEOPLE[1].groups or PEOPLE[2].groups)[:1])
SLUG = IN_GROUP.groups[0].slug


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (ProfileQuery(limit=4), 2),
        (ProfileQuery(limit=4, statuses=ANY, order="created_at", descending=True), 2),
        (ProfileQuery(limit=4, tags=("senate",), order="handle"), 4),
        (ProfileQuery(limit=4, group=str(GROUPS[0].group_id)), 2),
        (ProfileQuery(limit=4, words=("and",), order=None), 2),
        (ProfileQuery(limit=4, words=("a",), order=None, statuses=ANY, descending=True), 2),
        (ProfileQuery(limit=4, group=GROUPS[0].slug), 3),
        (ProfileQuery(limit=4, words=("and",), order="handle"), 3),
        (ProfileQuery(limit=4, tags=("senate", "house")), 4),
        (ProfileQuery(limit=4, words=("and", "car"), order=None), 4),
    ],
)
@pytest.mark.parametrize("list_limits", [ListLimits(remembered=0)])
async def test_a_page_takes_so_many_trips_however_deep_it_is(redis_views, redis_projection, query, expected):
    """Two for one filter: the range, the documents. Lengths, index rows, slugs are one more each, other orders two."""
    redis_projection.commit(*PEOPLE, position=7)
    await redis_views.position()

    first = await redis_views.list(query)
    with redis_projection.counting_trips() as made:
        deep = await redis_views.list(changed(query, after=first.after))
        trips_made = made()

    assert expected == trips_made, query
    assert handles(first) + handles(deep) == [each.handle for each in listed(PEOPLE, query)][:8]


@pytest.mark.parametrize("limits", [RedisReadLimits(fields=10)])
async def test_a_page_that_is_heavy_travels_alone(redis_views, redis_projection):
    """No writer waits for a batch that carries several; light ones share theirs, as entries of lists do."""
    redis_projection.commit(*PEOPLE, position=7)
    await redis_views.list(ProfileQuery())
    limits = (1, 1, 1, 20, 21)

    with redis_projection.counting_trips() as made:
        pages = await asyncio.gather(*(redis_views.list(ProfileQuery(limit=limit)) for limit in limits))
        trips_made = made()

    assert trips_made == 5
    assert list(limits) == [len(page.documents) for page in pages]


async def test_nobody_who_wants_one_person_waits_behind_lists(redis_views, redis_projection):
    """However many pages are asked for, they have another way; and none of 100 pages of two tags is refused."""
    redis_projection.commit(*PEOPLE, position=7)
    query = ProfileQuery(statuses=ANY, tags=("senate", "house"), limit=200)
    await redis_views.position()
    pages = [asyncio.create_task(redis_views.list(query)) for _ in range(100)]
    await asyncio.sleep(0)

    answer = await redis_views.by_id(str(PEOPLE[0].account_id))

    assert served(answer) == PEOPLE[0]
    assert sum(page.done() for page in pages) < 50
    assert {len(listed(PEOPLE, query))} == {len((await page).documents) for page in pages}


async def test_a_torn_document_is_passed_over(redis_views, redis_projection):
    """
    An entry without document, an entry that nobody has; where anything is written meanwhile, one without index row too,
    and one whose index row says otherwise.
    """
    people = [person(number, tags=("t",)) for number in range(1, 7)]
    redis_projection.commit(*people, position=7)
    client, keys = redis_projection.client, redis_projection.keys
    ids = [str(each.account_id) for each in people]

    client.hdel(keys.documents("profile", "full"), ids[0])
    client.hdel(keys.documents("profile", INDEX_ROW), ids[1])
    for nth, torn in ((2, {"status": "closed"}), (3, {"display_name": "Zed"}), (4, {"tags": ()})):
        index_row = msgspec.msgpack.encode(profile_row(changed(people[nth], **torn)))
        client.hset(keys.documents("profile", INDEX_ROW), ids[nth], index_row)
    for entry in (place(text_key("Nobody"), ADA.account_id), b"", b"x"):
        client.zadd(keys.sorted_entries("display_name"), {tag_facet("t") + b"a" + entry: 0})

    assert handles(await redis_views.list(ProfileQuery(tags=("t",)))) == [f"person{number}" for number in range(2, 7)]
    assert sum((await walk(redis_views, ProfileQuery(tags=("t",), limit=1)))[1]) == 5
    with between_trips(redis_views, lambda: redis_projection.commit(BOB, position=8)):
        page = await redis_views.list(ProfileQuery(tags=("t",)))
    assert (handles(page), page.position) == (["person6"], 7)


@pytest.mark.parametrize(
    "change",
    [{"status": "closed"}, {"display_name": "Zed"}, {"tags": ()}, {"groups": ()}, {"handle": "x", "title": "y"}],
)
async def test_a_record_that_moves_between_two_trips_is_not_at_its_former_place(redis_views, redis_projection, change):
    """The person does not fit any more, or stands elsewhere; the others are shown."""
    ada = changed(IN_GROUP, tags=("ana", "ann"), title="Anx", handle="ada")
    redis_projection.commit(ada, changed(BOB, tags=("ana", "ann"), groups=ada.groups), position=7)
    group = str(ada.groups[0].group_id)
    query = {
        "handle": ProfileQuery(words=("anx",), order=None),
        "groups": ProfileQuery(group=group),
    }.get(next(iter(change)), ProfileQuery(tags=("ana",)))

    with between_trips(redis_views, lambda: redis_projection.commit(changed(ada, **change), position=8)):
        page = await redis_views.list(query)

    assert "ada" not in handles(page)
    assert page.position == 7


async def test_a_page_is_as_old_as_its_oldest_trip(redis_views, redis_projection):
    """Whatever is committed between lengths, ranges, index rows and documents."""
    redis_projection.commit(changed(ADA, tags=("a", "b")), position=7)

    def commit(position):
        return lambda: redis_projection.commit(BOB, position=position)

    with between_trips(redis_views, commit(8), commit(9), commit(10)):
        page = await redis_views.list(ProfileQuery(tags=("a", "b")))

    assert page.position == 7
    assert (await redis_views.list(ProfileQuery())).position == 10

    with between_trips(redis_views, commit(5), commit(6)):  # a Redis that lost something is older
        page = await redis_views.list(ProfileQuery(tags=("a", "b")))

    assert page.position == 5


async def test_readers_are_told_the_position_before_the_first_fan_out(redis_views, redis_projection):
    """Some documents may not reflect that event yet, whatever else the checkpoint reflects."""
    redis_projection.commit(ADA, position=9, fan_outs=(5, 8))

    assert await redis_views.position() == 4
    assert (await redis_views.by_id(str(ADA.account_id))).position == 4
    assert (await redis_views.by_handle("ada")).position == 4
    assert (await redis_views.list(ProfileQuery())).position == 4

    redis_projection.commit(ADA, position=10)

    assert await redis_views.position() == 10


@pytest.mark.parametrize("trips_before", [1, 2, 3])
async def test_a_page_is_of_one_generation(redis_views, redis_projection, trips_before):
    """Another one goes live between two of its trips, in which the tags are other people's."""
    one = changed(ADA, tags=("a", "b"), handle="ada")
    redis_projection.commit(one, position=7)
    rebuilt = RedisProjection(redis_projection.client, generation="g2")
    rebuilt.prepare(changed(BOB, tags=("a", "b")), changed(one, tags=()), position=8)

    with between_trips(redis_views, *[None] * (trips_before - 1), rebuilt.go_live):
        page = await redis_views.list(ProfileQuery(tags=("a", "b")))

    assert (handles(page), page.position) == (["bob"], 8)


async def test_a_slug_that_moves_between_two_trips_is_that_of_its_new_group(redis_views, redis_projection):
    """The old group's members are not shown under it."""
    old, new = IN_GROUP.groups[0], msgspec.structs.replace(IN_GROUP.groups[0], group_id=BOB.account_id)
    redis_projection.commit(changed(IN_GROUP, handle="ada"), position=7)

    def move():
        redis_projection.save({GROUP.key(old.group_id): group_name(changed(old, slug="other"))}, position=8)
        redis_projection.commit(changed(BOB, groups=(new,)), position=8)

    with between_trips(redis_views, move):
        page = await redis_views.list(ProfileQuery(group=SLUG))

    assert (handles(page), page.position) == (["bob"], 8)


async def test_a_slug_that_never_rests_is_not_said_to_be_nobodys(redis_views, redis_projection):
    """Some group had it all the time: it cannot be told whose members to show."""
    redis_projection.commit(IN_GROUP, position=7)
    one = IN_GROUP.groups[0]

    def pass_on(position):
        name = group_name(changed(one, slug=f"x{position}"))
        lead = redis_projection.keys.unique_entries("by-slug")

        def act():
            redis_projection.save({GROUP.key(one.group_id): name}, position=position)
            redis_projection.client.hset(lead, SLUG, str(one.group_id))

        return act

    steps = [each for position in range(8, 14) for each in (pass_on(position), None, None)]
    with between_trips(redis_views, *steps), pytest.raises(Unavailable, match="keeps moving"):
        await redis_views.list(ProfileQuery(group=SLUG))


async def test_a_slug_that_leads_to_another_group_is_nobodys(redis_views, redis_projection):
    """If nothing else moves, it was left behind."""
    redis_projection.commit(IN_GROUP, position=7)
    redis_projection.client.hset(
        redis_projection.keys.unique_entries("by-slug"), "left", str(IN_GROUP.groups[0].group_id)
    )

    assert await redis_views.list(ProfileQuery(group="left")) == Page(7, ())
    assert handles(await redis_views.list(ProfileQuery(group=SLUG))) == ["Ada"]


async def test_an_index_row_that_cannot_be_read_is_not_taken_for_nobody(redis_views, redis_projection):
    redis_projection.commit(ADA, position=7)
    index_row = msgspec.msgpack.encode(profile_row(ADA)) + b"\xc1"
    redis_projection.client.hset(redis_projection.keys.documents("profile", INDEX_ROW), str(ADA.account_id), index_row)

    with pytest.raises(Unavailable):
        await redis_views.list(ProfileQuery(words=("ada", "love"), order=None))


async def test_entries_of_other_lists_end_a_page(redis_views, redis_projection):
    """A tag, a word or a group that begins like another has a list of its own."""
    redis_projection.commit(
        changed(ADA, tags=("ab", "a")), changed(BOB, tags=("a b", "a" + "\u007f", "b"), given_name="Abc"), position=7
    )

    found = {tag: handles(await redis_views.list(ProfileQuery(tags=(tag,)))) for tag in ("a", "ab", "a b", "b")}

    assert found == {"a": ["Ada"], "ab": ["Ada"], "a b": ["bob"], "b": ["bob"]}
    assert NUL not in tag_facet("a")[:-1]
