"""What only Redis can get wrong: how many trips a look-up takes, and what happens between two of them."""

import asyncio
import threading
from contextlib import asynccontextmanager
from itertools import count

import msgspec
import pytest
from prometheus_client import REGISTRY

from projector.projections.profiles import profiles
from read_side.adapters.redis.limits import RedisReadLimits
from read_side.adapters.redis.views.profiles import RedisProfileViews
from read_side.freshness import Freshness
from read_side.services import redis_views as redis_views_of
from read_side.views import Match, NeverFilled, ProfileKeys
from shared.errors import Overloaded, Unavailable
from shared.read_model.envelope import seal
from shared.read_model.positions import Pointer
from shared.redis.pipelined import pack
from tests.support.patience import SECONDS, patient_connector, until_here
from tests.support.read_side import (
    ADA,
    BOB,
    KEYS,
    PATIENCE,
    RedisGroups,
    RedisProjection,
    between_trips,
    blocked_reader,
    changed,
    person,
    served,
)

ID = str(ADA.account_id)


def handles(batch):
    return [msgspec.json.decode(each)["handle"] for each in batch.found]


@asynccontextmanager
async def in_thread(step):
    """Call `step` with 0, 1, 2… in a thread for as long as the block runs."""
    stop = threading.Event()

    def run():
        for number in count():
            if stop.is_set():
                return
            step(number)

    task = asyncio.create_task(asyncio.to_thread(run))
    try:
        yield
    finally:
        stop.set()
        await task


async def test_one_connection_hears_what_all_projections_announce(redis_server, redis_projection):
    """Of all that a process serves; each wakes its own readers."""
    redis_groups = RedisGroups(redis_projection.client)
    redis_projection.commit(ADA, position=7)
    redis_groups.commit(position=7)
    views = redis_views_of(patient_connector(redis_server.url), patience=PATIENCE)
    profiles, groups = views["profiles"], views["groups"]

    async with profiles, groups, asyncio.timeout(SECONDS):
        reader = await blocked_reader(profiles, minimum=8)
        await until_here(lambda: redis_projection.client.pubsub_numsub(KEYS.announce)[0][1])
        redis_projection.commit(BOB, position=8)
        assert (await reader).position == 8

        reader = await blocked_reader(groups, minimum=8, ask=lambda: groups.get("none"))
        redis_groups.commit(position=8)
        assert (await reader).position == 8

        assert len(redis_projection.client.client_list(_type="pubsub")) == 1


async def test_five_hundred_mixed_keys_take_two_trips(redis_views, redis_projection):
    """One to find the ids, one to fetch the documents."""
    people = [person(number) for number in range(1, 401)]
    redis_projection.commit(*people, position=7)
    keys = ProfileKeys(
        ids=tuple(str(each.account_id) for each in people[:100]),
        handles=tuple(each.handle for each in people[100:200]),
        emails=tuple(each.email for each in people[200:300]),
        external_ids=(*(each.external_id for each in people[300:]), *(f"nobody{number}" for number in range(100))),
    )
    await redis_views.position()

    with redis_projection.counting_trips() as made:
        batch = await redis_views.by_keys(keys)
        trips_made = made()

    assert trips_made == 2
    assert len(batch.found) == 400
    assert len(batch.missing.external_ids) == 100


async def test_what_is_asked_at_once_travels_together(redis_views, redis_projection):
    """64 look-ups of one turn of the event loop are one trip, and two where a look-up leads to a document."""
    people = [person(number) for number in range(1, 65)]
    redis_projection.commit(*people, position=7)
    await redis_views.position()

    with redis_projection.counting_trips() as made:
        by_id = await asyncio.gather(*(redis_views.by_id(str(each.account_id)) for each in people))
        trips_by_id = made()
        by_handle = await asyncio.gather(*(redis_views.by_handle(each.handle) for each in people))
        trips_by_handle = made() - trips_by_id

    assert people == list(map(served, by_id)) == list(map(served, by_handle))
    assert trips_by_id == 1
    assert trips_by_handle == 2


async def test_what_many_ask_for_travels_once(redis_views, redis_projection):
    """Forty services that want the same person get them from one field."""
    redis_projection.commit(ADA, BOB, position=7)

    answers = await asyncio.gather(*(redis_views.by_id(account) for account in [ID, str(BOB.account_id)] * 20))

    assert list(map(served, answers)) == [ADA, BOB] * 20


@pytest.mark.parametrize("limits", [RedisReadLimits(fields=100, batches=3)])
async def test_more_than_one_batch_carries_is_split(redis_views, redis_projection):
    """No writer waits for a transaction of thousands; a few share a trip, and every question gets its own answer."""
    people = [person(number) for number in range(1, 352)]
    redis_projection.commit(*people, position=7)
    await redis_views.position()
    trips = REGISTRY.get_sample_value("muster_read_trip_look_ups_count")

    with redis_projection.counting_trips() as made:
        answers = await asyncio.gather(*(redis_views.by_id(str(each.account_id)) for each in people))
        batches_made = made()

    assert people == list(map(served, answers))
    assert batches_made == 4
    assert REGISTRY.get_sample_value("muster_read_trip_look_ups_count") == trips + 2


@pytest.mark.parametrize("limits", [RedisReadLimits(fields=10, batches=3)])
async def test_a_generation_that_goes_live_between_two_batches_of_a_trip_answers_the_second(
    redis_server, redis_projection, limits
):
    """Each batch is of one moment; the one that still read the former generation is sent again."""
    people = [person(number) for number in range(1, 31)]
    redis_projection.commit(*people, position=7)
    RedisProjection(redis_projection.client, generation="g2").prepare(*people[:15], position=8)
    connect = patient_connector(redis_server.url)
    freshness = Freshness("profiles", patience=PATIENCE)

    async with RedisProfileViews(lambda: SwitchingConnection(connect()), freshness=freshness, limits=limits) as views:
        await views.position()
        answers = await asyncio.gather(*(views.by_id(str(each.account_id)) for each in people))

    assert [each.position for each in answers] == [7] * 10 + [8] * 20
    assert people[:15] + [None] * 15 == list(map(served, answers))


class SwitchingConnection:
    """A connection on which generation `g2` goes live behind the first of several transactions."""

    def __init__(self, connection):
        self._connection = connection

    def __getattr__(self, name):
        return getattr(self._connection, name)

    async def fetch(self, packed, *, replies):
        first, execute, others = packed.partition(pack("EXEC"))
        if not others:
            return await self._connection.fetch(packed, replies=replies)
        switch = pack("SET", KEYS.live, msgspec.json.encode(Pointer("g2", profiles.version)))
        received = await self._connection.fetch(first + execute + switch + others, replies=replies + 1)
        del received[5]  # behind MULTI, three commands and EXEC
        return received


@pytest.mark.parametrize("limits", [RedisReadLimits(queued_fields=10)])
async def test_more_than_can_wait_is_refused(redis_views, redis_projection):
    """`Overloaded` at once, instead of an answer too late; who was let in is answered."""
    redis_projection.commit(ADA, position=7)

    answers = await asyncio.gather(*(redis_views.by_id(ID) for _ in range(12)), return_exceptions=True)

    assert [Match] * 10 + [Overloaded] * 2 == list(map(type, answers))
    assert served(await redis_views.by_id(ID)) == ADA


async def test_who_goes_away_takes_nobody_along(redis_views, redis_projection):
    """A client that gives up does not spoil the trip of the others."""
    redis_projection.commit(ADA, position=7)
    gone, there = (asyncio.create_task(redis_views.by_id(ID)) for _ in range(2))
    await asyncio.sleep(0)

    gone.cancel()

    assert served(await there) == ADA
    with pytest.raises(asyncio.CancelledError):
        await gone


async def test_pointer_checkpoint_and_document_are_from_one_moment(redis_views, redis_projection):
    """While a writer commits all the time, a document is neither newer nor older than the position told with it."""
    redis_projection.commit(changed(ADA, version=1), position=1)

    def write(step):
        redis_projection.commit(changed(ADA, version=step + 2), position=step + 2)

    async with in_thread(write):
        answers = [await redis_views.by_id(ID) for _ in range(1000)]

    assert [served(answer).version for answer in answers] == [answer.position for answer in answers]
    assert len({answer.position for answer in answers}) > 10


async def test_an_answer_of_two_trips_is_as_old_as_the_older(redis_views, redis_projection):
    """What the second trip saw need not hold for the first."""
    redis_projection.commit(ADA, position=7)

    with between_trips(redis_views, lambda: redis_projection.commit(BOB, position=8)):
        answer = await redis_views.by_handle("ada")
    with between_trips(redis_views, lambda: redis_projection.commit(BOB, position=9)):
        batch = await redis_views.by_keys(ProfileKeys(handles=("ada",)))

    assert answer.position == 7
    assert batch.position == 8


async def test_a_generation_that_went_live_is_read_at_once(redis_views, redis_projection):
    """The pointer is looked at in every trip; what another generation says counts for nothing."""
    redis_projection.commit(ADA, position=7)
    await redis_views.position()
    rebuilt = RedisProjection(redis_projection.client, generation="g2")
    rebuilt.prepare(changed(ADA, handle="countess"), position=8)

    before = await redis_views.by_id(ID)
    rebuilt.go_live()
    after = await redis_views.by_id(ID)

    assert (before.position, served(before).handle) == (7, "Ada")
    assert (after.position, served(after).handle) == (8, "countess")


async def test_a_look_up_is_answered_from_one_generation(redis_views, redis_projection):
    """Another generation goes live between look-up and document, and there the handle is Bob's."""
    redis_projection.commit(ADA, BOB, position=7)
    rebuilt = RedisProjection(redis_projection.client, generation="g2")
    rebuilt.prepare(changed(ADA, handle="countess"), changed(BOB, handle="ada"), position=8)

    with between_trips(redis_views, rebuilt.go_live):
        answer = await redis_views.by_handle("ada")

    assert served(answer).account_id == BOB.account_id
    assert answer.position == 8


async def test_many_keys_are_answered_from_one_generation(redis_views, redis_projection):
    """A handle that only the old generation knows does not lead to a document of the new one."""
    redis_projection.commit(changed(ADA, handle="ada"), changed(BOB, handle="babbage"), position=7)
    rebuilt = RedisProjection(redis_projection.client, generation="g2")
    rebuilt.prepare(changed(ADA, handle="countess"), changed(BOB, handle="ada"), position=8)

    with between_trips(redis_views, rebuilt.go_live):
        batch = await redis_views.by_keys(ProfileKeys(ids=(ID,), handles=("ada", "babbage", "countess")))

    assert handles(batch) == ["countess", "ada"]
    assert batch.missing == ProfileKeys(handles=("babbage",))
    assert batch.position == 8


async def test_found_and_missing_are_of_one_generation(redis_views, redis_projection):
    """A handle that only the new generation knows is not missing beside the document of the new one that has it."""
    redis_projection.commit(ADA, position=7)
    rebuilt = RedisProjection(redis_projection.client, generation="g2")
    rebuilt.prepare(changed(ADA, handle="countess"), position=8)

    with between_trips(redis_views, rebuilt.go_live):
        batch = await redis_views.by_keys(ProfileKeys(ids=(ID,), handles=("countess",)))

    assert handles(batch) == ["countess"]
    assert batch.missing == ProfileKeys()


async def test_a_switch_wakes_who_waits(redis_views, redis_projection):
    """Even one that nobody announced: any look-up that meets the new generation has everybody look at it."""
    redis_projection.commit(ADA, position=7)
    rebuilt = RedisProjection(redis_projection.client, generation="g2")
    rebuilt.prepare(ADA, position=9)
    reader = await blocked_reader(redis_views, minimum=9)

    async with asyncio.timeout(SECONDS):
        rebuilt.go_live()
        await redis_views.position()

        assert (await reader).position == 9


async def test_a_generation_that_is_lost_between_two_trips_misses_nobody(redis_views, redis_projection):
    """FLUSHALL between look-up and document."""
    redis_projection.commit(ADA, position=7)

    with between_trips(redis_views, redis_projection.forget), pytest.raises(NeverFilled):
        await redis_views.by_handle("ada")


async def test_a_handle_that_moves_between_two_trips_leads_to_its_new_owner(redis_views, redis_projection):
    """Ada gives her handle to Bob after the look-up has led to her."""
    redis_projection.commit(ADA, BOB, position=7)
    moved = [changed(ADA, handle="countess"), changed(BOB, handle="ada")]

    with between_trips(redis_views, lambda: redis_projection.commit(*moved, position=8)):
        answer = await redis_views.by_handle("ada")

    assert served(answer).account_id == BOB.account_id
    assert answer.position == 8


async def test_many_keys_that_move_between_two_trips_lead_to_their_new_owners(redis_views, redis_projection):
    """The same for a batch, by e-mail address and external id."""
    redis_projection.commit(ADA, BOB, position=7)
    moved = [
        changed(ADA, email="countess@example.org", external_id=None),
        changed(BOB, email="ada@example.org", external_id="books/notes:G"),
    ]

    with between_trips(redis_views, lambda: redis_projection.commit(*moved, position=8)):
        batch = await redis_views.by_keys(ProfileKeys(emails=("ada@example.org",), external_ids=("books/notes:G",)))

    assert handles(batch) == ["bob"]
    assert batch.missing == ProfileKeys()
    assert batch.position == 8


@pytest.mark.parametrize("variant", ["full", "public"])
async def test_a_handle_that_never_rests_is_not_said_to_be_nobodys(redis_views, redis_projection, variant):
    """It is looked for a few times, then it is unknown whose it is: one of them had it all the time."""
    redis_projection.commit(ADA, BOB, position=7)

    def pass_on(position):
        giver, taker = (ADA, BOB) if position % 2 == 0 else (BOB, ADA)
        given_up = changed(giver, handle=f"other{position}")
        return lambda: redis_projection.commit(given_up, changed(taker, handle="ada"), position=position)

    with (
        between_trips(redis_views, pass_on(8), None, pass_on(9), None, pass_on(10)),
        pytest.raises(Unavailable, match="keeps moving"),
    ):
        await redis_views.by_handle("ada", variant=variant)


async def test_records_of_the_version_before_are_cut_for_everybody(redis_views, redis_projection):
    """In these private fields stand between the others; they are live until the projection has been rebuilt."""
    redis_projection.commit(ADA, position=7)
    before = await redis_views.by_id(ID, variant="public")
    stored = msgspec.json.encode(dict(sorted(msgspec.to_builtins(ADA).items())))
    documents = redis_projection.keys.documents("profile", "full")
    redis_projection.client.hset(documents, ID, seal(position=7, body=stored))

    assert await redis_views.by_id(ID, variant="public") == before
    assert await redis_views.by_handle("ada", variant="public") == before


async def test_a_person_who_is_gone_at_the_second_trip_is_missing(redis_views, redis_projection):
    """A look-up that leads to no document."""
    redis_projection.commit(ADA, position=7)

    def erase():
        redis_projection.client.hdel(redis_projection.keys.documents("profile", "full"), ID)
        redis_projection.client.hdel(redis_projection.keys.unique_entries("by-handle"), "ada")

    with between_trips(redis_views, erase):
        assert await redis_views.by_handle("ada") == Match(7, None)


async def asked(views) -> Match | None:
    """Whom the handle leads to; None if it moved too fast to tell."""
    try:
        return await views.by_handle("ada")
    except Unavailable:
        return None


async def test_a_handle_passed_around_never_finds_the_wrong_person(redis_views, redis_projection):
    """Two people swap their handles as fast as they can, while a reader looks for one of them."""
    redis_projection.commit(ADA, BOB, position=7)

    def swap(step):
        given = ("Ada", "bob") if step % 2 else ("bob", "Ada")
        pair = [changed(each, handle=handle) for each, handle in zip((ADA, BOB), given, strict=True)]
        redis_projection.commit(*pair, position=8 + step)

    async with in_thread(swap):
        answers = [await asked(redis_views) for _ in range(500)]

    found = [served(answer) for answer in answers if answer]
    assert {each.handle for each in found} == {"Ada"}
    assert {each.account_id for each in found} == {ADA.account_id, BOB.account_id}
