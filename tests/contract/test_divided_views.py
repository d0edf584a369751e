"""What only a directory that is divided can get wrong: which partition is asked, for how much, and how far each is."""

import asyncio
from functools import partial
from random import Random
from uuid import UUID

import pytest
from redis import Redis

from projector.projections.groups import groups
from projector.projections.profiles import PROFILE, profiles
from read_side.adapters.redis.transport.batcher import _LOOK_UPS
from read_side.adapters.redis.views.profiles import RedisProfileViews
from read_side.freshness import Freshness
from read_side.services import redis_views
from read_side.views import Match, NeverFilled, ProfileKeys, ProfileQuery, standing
from shared.read_model.partitions import Partitions
from tests.contract.crowds import crowd, handles, listed
from tests.contract.partitions import PartitionedCollections
from tests.support.collections import Collections
from tests.support.patience import patient_connector, until_here
from tests.support.read_side import (
    PATIENCE,
    RedisProjection,
    between_trips,
    changed,
    person,
    served,
)

THREE = Partitions(3)
PEOPLE = crowd(120)


def of_partition(nth, count):
    """People whose documents are in one partition."""
    random = Random(nth)
    ids = (UUID(int=random.getrandbits(128)) for _ in range(100 * count))
    own = [each for each in ids if THREE.of(str(each)) == nth][:count]
    return [person(number, account_id=each) for number, each in enumerate(own, start=1000 * (nth + 1))]


ADA, BOB, EVE = (of_partition(nth, 1)[0] for nth in range(3))


@pytest.fixture
def server(valkey):
    with Redis.from_url(valkey.start().url) as client:
        client.flushall()
        yield client


@pytest.fixture
def divided(server):
    return PartitionedCollections(lambda _: server, profiles, THREE, publish="PUBLISH")


@pytest.fixture
async def views(valkey, server):
    freshness = Freshness("profiles", patience=PATIENCE)
    async with RedisProfileViews(patient_connector(valkey.url), partitions=THREE, freshness=freshness) as opened:
        yield opened


def save(divided, *people, **more):
    divided.save({PROFILE.key(each.account_id): each for each in people}, **more)


def part_of(divided, record):
    return divided.parts[THREE.of(str(record.account_id))]


def trips():
    [family] = _LOOK_UPS.collect()
    return next(each.value for each in family.samples if each.name.endswith("_count"))


@pytest.mark.parametrize("descending", [False, True])
async def test_a_page_is_whole_where_one_partition_has_most_of_it(views, divided, descending):
    """It is asked for more, and the others are not; on the average no partition is."""
    save(divided, *of_partition(0, 200), BOB, EVE, position=7)
    query = ProfileQuery(limit=200, order="handle", descending=descending)
    await views.position()

    before = trips()
    page = await views.list(query)
    made = trips() - before

    assert handles(page) == [each.handle for each in listed([*of_partition(0, 200), BOB, EVE], query)][:200]
    assert made == 3


async def test_a_page_of_all_partitions_takes_two_trips(views, divided):
    """As one of an undivided directory: one server is asked for all its partitions at once."""
    save(divided, *PEOPLE, position=7)
    await views.position()

    before = trips()
    page = await views.list(ProfileQuery(limit=20))
    by_ids = await views.by_keys(ProfileKeys(ids=tuple(str(each.account_id) for each in PEOPLE)))
    made = trips() - before

    assert handles(page) == [each.handle for each in listed(PEOPLE, ProfileQuery())][:20]
    assert len(by_ids.found) == 120
    assert made == 3


async def test_an_answer_stands_where_the_last_of_its_partitions_does(views, divided):
    """And at the position of the one that has a record, where that alone was asked."""
    save(divided, ADA, BOB, EVE, position=7)
    for nth, part in enumerate(divided.parts):
        part.save({}, position=8 + nth)

    found = [await views.by_id(str(each.account_id)) for each in (ADA, BOB, EVE)]
    both = await views.by_keys(ProfileKeys(ids=(str(BOB.account_id), str(EVE.account_id))))

    assert [(each.position, served(each)) for each in found] == [(8, ADA), (9, BOB), (10, EVE)]
    assert both.position == 9
    assert (await views.list(ProfileQuery())).position == 8
    assert (await views.by_handle(ADA.handle)).position == 7
    assert await views.position() == 7


async def test_a_reader_waits_for_each_partition_of_the_answer(views, divided):
    """For all of them where it is a list, whichever comes first; for no other where it is one record."""
    save(divided, ADA, BOB, EVE, position=7)
    reads = []

    async def read():
        page = await views.list(ProfileQuery())
        reads.append(page.position)
        return page

    listing = asyncio.create_task(views.freshness.reach(9, read))
    for nth, part in enumerate(divided.parts):
        await until_here(
            lambda due=2 + nth: len(reads) >= due
        )  # the second while it is registered, the others once woken
        part.save({}, position=9)
    by_id = await views.freshness.reach(9, lambda: views.by_id(str(ADA.account_id)))

    async with asyncio.timeout(PATIENCE):
        assert (await listing).position == 9
    assert {7} == set(reads[:-1])
    assert by_id.position == 9


async def test_a_reader_by_a_key_is_woken_by_what_is_announced_of_entries(views, divided):
    save(divided, ADA, position=7)
    for part in divided.parts:
        part.save({}, position=9)
    reader = asyncio.create_task(views.freshness.reach(9, lambda: views.by_handle(ADA.handle)))
    await asyncio.sleep(0)
    for part in divided.entries:
        part.save({}, position=9)

    async with asyncio.timeout(PATIENCE):
        assert (await reader).position == 9


async def test_what_is_announced_of_entries_wakes_all_who_use_them(valkey, divided, server):
    """Readers of people and of groups, on the one connection of a process."""
    of_groups = PartitionedCollections(lambda _: server, groups, THREE, publish="PUBLISH")
    for each in (divided, of_groups):
        each.save({}, position=7)
        for part in each.parts:
            part.save({}, position=9)
    views = redis_views(patient_connector(valkey.url), THREE, patience=PATIENCE)
    own = [views[each] for each in ("profiles", "groups")]

    async with own[0], own[1], asyncio.timeout(PATIENCE):
        waiting = [asyncio.create_task(each.freshness.reach(9, partial(standing, each))) for each in own]
        for part in divided.entries:
            await until_here(lambda: all(each.freshness.waiting for each in own))
            part.save({}, position=9)

        assert [each.position for each in await asyncio.gather(*waiting)] == [9, 9]
        assert len(server.client_list(_type="pubsub")) == 1


@pytest.mark.parametrize("count", [3, 5])
async def test_a_directory_that_changes_is_answered_as_a_whole(valkey, server, count):
    """Whatever is asked while people are renamed, tagged and closed, and give their handles to others."""
    partitions, random = Partitions(count), Random(count)
    divided = PartitionedCollections(lambda _: server, profiles, partitions, publish="PUBLISH")
    undivided, now = RedisProjection(server), {each.account_id: each for each in PEOPLE}
    connect, freshness = patient_connector(valkey.url), Freshness("profiles", patience=PATIENCE)
    async with (
        RedisProfileViews(connect, partitions=partitions, freshness=freshness) as views,
        RedisProfileViews(connect, freshness=freshness) as whole,
    ):
        for position in range(1, 9):
            new = list(now.values()) if position == 1 else list(changes(random, now))
            now |= {each.account_id: each for each in new}
            undivided.commit(*new, position=position)
            save(divided, *new, position=position)

            for query in random_queries(random):
                assert await views.list(query) == await whole.list(query), query
            for each in (*new, *random.choices(PEOPLE, k=9)):
                for key in (each.handle, now[each.account_id].handle):
                    assert await views.by_handle(key) == await whole.by_handle(key)
            keys = ProfileKeys(
                ids=tuple(str(each) for each in random.sample(list(now), k=9)),
                handles=tuple(each.handle for each in random.sample(PEOPLE, k=9)),
                emails=("nobody@example.org",),
            )
            assert await views.by_keys(keys) == await whole.by_keys(keys)


def changes(random, now):
    """People who become others; two of them swap their handles."""
    one, other, *rest = random.sample(list(now.values()), k=12)
    yield changed(one, handle=other.handle)
    yield changed(other, handle=one.handle)
    for each in rest:
        tags, status = random.choice(PEOPLE).tags, random.choice(("active", "active", "closed", "suspended"))
        yield changed(each, display_name=random.choice(PEOPLE).display_name, tags=tags, status=status)


def random_queries(random):
    for _ in range(8):
        words, sort = (
            random.choice(((), (), ("and",), ("a", "se"))),
            random.choice(("handle", "display_name", "created_at")),
        )
        yield ProfileQuery(
            statuses=random.choice((("active",), ("active", "closed", "suspended"))),
            tags=random.choice(((), ("senate",), ("house", "senate"))),
            words=words,
            order=random.choice((sort, None)) if words else sort,
            descending=random.random() < 0.5,
            limit=random.choice((1, 7, 50)),
        )


async def test_an_entry_that_is_ahead_of_the_record_finds_nobody_else(views, divided):
    """Nor does one that is behind: a record is shown only under a key that it carries."""
    save(divided, changed(ADA, handle="one"), position=7)
    part_of(divided, ADA).save({PROFILE.key(ADA.account_id): changed(ADA, handle="two")}, position=9)

    assert await views.by_handle("one") == Match(7, None)
    assert await views.by_handle("two") == Match(7, None)


async def test_a_person_who_moves_between_two_trips_is_looked_for_again(views, divided):
    """In the partition that has them: the others did not move."""
    save(divided, ADA, BOB, EVE, position=7)

    def rename():
        part_of(divided, BOB).save({PROFILE.key(BOB.account_id): changed(BOB, display_name="Zed")}, position=8)

    with between_trips(views, rename):
        page = await views.list(ProfileQuery())

    assert ({*handles(page)}, page.position) == ({ADA.handle, EVE.handle}, 7)


async def test_a_page_is_of_one_generation_of_each_partition(views, divided, server):
    """Another one goes live in one partition, between two trips."""
    save(divided, ADA, BOB, EVE, position=7)
    rebuilt = Collections(server, profiles, generation="g2", keyspace=THREE.keyspaces[1])
    rebuilt.write({}, position=8)

    with between_trips(views, rebuilt.go_live):
        page = await views.list(ProfileQuery())

    assert ({*handles(page)}, page.position) == ({ADA.handle, EVE.handle}, 7)


async def test_no_answer_is_made_of_two_versions(views, divided, server):
    """Who needs all partitions waits until these have one; who asks one of them alone is answered."""
    save(divided, ADA, BOB, EVE, position=7)

    def go_live(part):
        server.set(part.projection.live, b'{"generation":"g1","version":%d}' % (profiles.version + 1))

    go_live(part_of(divided, BOB))
    asked = trips()
    waiting = [asyncio.create_task(each) for each in (views.list(ProfileQuery()), views.position())]
    for each in (ADA, BOB, EVE):
        assert served(await views.by_id(str(each.account_id))) == each
    await until_here(lambda: trips() > asked + 10)  # they have found two versions, and ask again
    assert not any(each.done() for each in waiting)

    for each in (ADA, EVE):
        go_live(part_of(divided, each))
    page, position = await asyncio.gather(*waiting)
    assert ({*handles(page)}, position) == ({ADA.handle, BOB.handle, EVE.handle}, 7)


async def test_a_partition_that_was_never_filled_spoils_only_answers_of_its_own(views, divided, server):
    save(divided, ADA, BOB, EVE, position=7)
    server.delete(part_of(divided, BOB).projection.live)

    asked = [views.by_id(str(each.account_id)) for each in (ADA, BOB, EVE)]
    one, never_filled, other = await asyncio.gather(*asked, return_exceptions=True)

    assert [served(one), served(other)] == [ADA, EVE]
    assert isinstance(never_filled, NeverFilled)
    for asking in (views.list(ProfileQuery()), views.position()):
        with pytest.raises(NeverFilled):
            await asking
