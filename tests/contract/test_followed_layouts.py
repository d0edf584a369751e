"""Readers, while the read models are divided otherwise than before."""

import asyncio
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import count
from typing import Any

import msgspec
import pytest
from redis import Redis

from projector.projections.profiles import PROFILE, profiles
from projector.store.codec import EVERYBODY
from read_side.adapters.redis.transport.eviction import EvictionWatch
from read_side.adapters.redis.transport.recorded import ReadLayout, RecordedLayout
from read_side.services import redis_views
from read_side.views import Match, NeverFilled, ProfileKeys, ProfileQuery, standing
from shared.errors import EvictionPossible, Unavailable
from shared.read_model.keys import HOME
from shared.read_model.layouts import Layouts, LayoutsUnreadable
from shared.read_model.partitions import Partitions
from shared.read_model.positions import Live
from tests.contract.crowds import handles
from tests.contract.partitions import PartitionedCollections
from tests.support.collections import Collections
from tests.support.patience import patient_connector
from tests.support.read_side import ADA, BOB, PATIENCE, blocked_reader, every_question, served

THREE = Partitions(3)
LATER = b'{"live":1,"ring":"x"}'
"""As a later release might record it."""
NOW = datetime(2026, 12, 1, tzinfo=UTC)
PEOPLE = {PROFILE.key(each.account_id): each for each in (ADA, BOB)}


class Directory:
    """People in two layouts, of which readers are to use one."""

    def __init__(self, client):
        self._client = client
        divided = PartitionedCollections(lambda _: client, profiles, THREE, publish="PUBLISH")
        self.layouts: Any = {1: Collections(client, profiles), 3: divided}
        self._parts: Any = {1: [self.layouts[1]], 3: [*divided.parts, *divided.entries]}

    def save(self, count, *, position, records=PEOPLE):
        self.layouts[count].save(records, position=position)

    def record(self, layouts):
        self._client.set(HOME.partitions, layouts.encoded)

    def mark(self, count, **use):
        """Say of each part who may use it, and have those who wait look at it."""
        for each in self._parts[count]:
            live = msgspec.json.decode(self._client.get(each.projection.live), type=Live)
            self._client.set(each.projection.live, msgspec.json.encode(msgspec.structs.replace(live, **use)))
            each.announce(EVERYBODY)

    def switch(self, old, new, *, nth=1):
        self.record(Layouts(live=new, kept=old, switches=nth))
        self.mark(old, left=nth)


@pytest.fixture
def directory(valkey):
    with Redis.from_url(valkey.start().url) as client:
        client.flushall()
        yield Directory(client)


@pytest.fixture
async def recorded(valkey):
    layout = RecordedLayout(patient_connector(valkey.url), nodes_of=lambda _: None)
    yield layout
    await layout.aclose()


@pytest.fixture
async def views(valkey, directory, recorded):
    """Of a process that was started before anything was recorded."""
    connect = patient_connector(valkey.url)
    async with redis_views(connect, recorded=recorded, patience=PATIENCE)["profiles"] as opened:
        yield opened


async def test_nothing_is_guessed_before_it_is_recorded(views, directory):
    """Nor after Redis was emptied; what is recorded then may be another number."""
    directory.save(3, position=7)
    nowhere = await every_question(views)
    directory.record(Layouts(live=3))
    found = await views.by_handle("ada")
    directory._client.flushall()
    emptied = await every_question(views)
    directory.save(1, position=9)
    directory.record(Layouts(live=1))

    assert {type(each) for each in (*nowhere, *emptied)} == {NeverFilled}
    assert (found.position, served(found)) == (7, ADA)
    assert await views.position() == 9


async def test_what_was_filled_before_numbers_were_recorded_is_one_partition(views, directory):
    directory.save(1, position=7)

    assert await views.position() == 7


@pytest.mark.parametrize(
    "record", [b"", b"0", b"-3", b"99999999999", b'{"live":0}', b'{"kept":1}', LATER, b"true", b"\xff"]
)
async def test_a_record_that_makes_no_sense_is_unavailable(views, directory, record):
    """Until there is another one; nothing is guessed."""
    directory.save(1, position=7)
    directory._client.set(HOME.partitions, record)
    asked = await every_question(views)
    directory.record(Layouts(live=1))

    assert {type(each) for each in asked} == {LayoutsUnreadable}
    assert "start the release that recorded it" in str(asked[0])
    assert await views.position() == 7


async def test_a_pointer_of_a_later_release_is_not_read(views, directory):
    directory.save(1, position=7)
    directory.mark(1, access="paused")

    with pytest.raises(Unavailable, match="It cannot be read what is live of profiles: the projector says what to do"):
        await views.position()


@pytest.mark.parametrize(("old", "new"), [(1, 3), (3, 1)])
async def test_who_reads_a_layout_that_is_left_goes_on_in_the_other(views, directory, old, new):
    """Whatever is asked; what is still being closed is read as before."""
    directory.record(Layouts(live=old, building=new))
    directory.save(old, position=7)
    directory.save(new, position=9)
    before = await every_question(views)
    directory.mark(old, access="closed")
    closed = await views.position()
    directory.switch(old, new)
    after = await every_question(views)

    assert {each if isinstance(each, int) else each.position for each in before} == {7}
    assert closed == 7
    assert {each if isinstance(each, int) else each.position for each in after} == {9}
    assert [each.document for each in before if isinstance(each, Match)] == [
        each.document and each.document._replace(position=7) for each in after if isinstance(each, Match)
    ]


def before_the_second_trip(views, action):
    """Do something there, after which the views ask another layout."""
    trips = count(1)

    def in_between(ask):
        async def ask_in_between(*fields, reads=()):
            if next(trips) == 2:
                action()
            return await ask(*fields, reads=reads)

        return ask_in_between

    views._look_up, views._look_list_up = map(in_between, (views._look_up, views._look_list_up))


@pytest.mark.parametrize(("old", "new"), [(1, 3), (3, 1)])
async def test_no_answer_is_made_of_two_layouts(views, directory, old, new):
    directory.record(Layouts(live=old))
    directory.save(old, position=7)
    directory.save(new, position=9)
    asked = (
        partial(views.by_handle, "ada"),
        partial(views.by_keys, ProfileKeys(handles=("ada", "bob"))),
        partial(views.list, ProfileQuery()),
    )
    for nth, ask in enumerate(asked):
        directory.switch(new, old, nth=2 * nth + 1)
        await views.position()

        def switch(nth=2 * nth + 2):
            directory.switch(old, new, nth=nth)

        before_the_second_trip(views, switch)
        assert (await ask()).position == 9


async def test_who_slept_while_a_layout_was_left_and_gone_back_to_is_in_no_other(views, directory):
    """They read what they read before, which is said to be read again; and leave it once it is left again."""
    directory.record(Layouts(live=1))
    directory.save(1, position=7)
    directory.save(3, position=8)
    first = await views.position()
    directory.switch(1, 3, nth=1)
    directory.switch(3, 1, nth=2)
    again = await views.position()
    directory.switch(1, 3, nth=3)

    assert (first, again, await views.position()) == (7, 7, 8)


async def test_who_is_on_the_way_when_a_layout_is_left_goes_on_in_the_other(views, directory):
    """Also where nobody takes their question there any more."""
    directory.record(Layouts(live=1))
    directory.save(1, position=7)
    directory.save(3, position=8)
    await views.position()
    ask = views._look_up

    async def ask_late(*fields, reads=()):
        views._look_up = ask
        for nth, (old, new) in enumerate([(1, 3), (3, 1), (1, 3)], start=1):
            directory.switch(old, new, nth=nth)
            await views.position()
        return await ask(*fields, reads=reads)

    views._look_up = ask_late
    async with asyncio.timeout(PATIENCE):
        assert (await views.by_id(str(ADA.account_id))).position == 8


async def test_who_stops_while_it_goes_over_leaves_nothing_behind(valkey, directory, recorded):
    connect = patient_connector(valkey.url)
    directory.record(Layouts(live=1))
    for nth in range(1, 12):
        async with redis_views(connect, recorded=recorded, patience=PATIENCE)["profiles"]:
            directory.record(Layouts(live=1 + 2 * (nth % 2), switches=nth))
            going_over = asyncio.create_task(recorded.ask())
            while recorded._known.switches < nth:  # noqa: ASYNC110 - as soon as it has begun, and a little later each time
                await asyncio.sleep(0)
            for _ in range(nth):
                await asyncio.sleep(0)
        await going_over

    names = [each.get_name() for each in asyncio.all_tasks()]
    assert [each for each in names if each.startswith(("batches", "announcements", "eviction"))] == []


async def test_what_is_closed_while_it_is_asked_leaves_nothing_open(valkey, directory, monkeypatch):
    """Who asked has gone; what is heard then is heard to the end."""
    directory.record(Layouts(live=1))
    recorded = RecordedLayout(patient_connector(valkey.url), nodes_of=lambda _: None)
    asked, answers, fetch = asyncio.Event(), asyncio.Event(), recorded._connection.fetch

    async def fetch_late(*what, **more):
        found = await fetch(*what, **more)
        asked.set()
        await answers.wait()
        return found

    monkeypatch.setattr(recorded._connection, "fetch", fetch_late)
    asking = asyncio.create_task(recorded.ask())
    await asked.wait()
    asking.cancel()
    closing = asyncio.create_task(recorded.aclose())
    await asyncio.wait([closing], timeout=0)
    was_closed = closing.done()
    answers.set()
    await closing

    assert (was_closed, recorded._known, asking.done()) == (False, ReadLayout(Partitions(1)), True)


async def test_a_redis_that_was_emptied_has_no_layout_that_was_read_before(views, directory):
    """Both were begun with one layout, and changed as often; who asked nothing in between leaves what was left."""
    first = Layouts(live=1).begun(3, at=NOW).switched(until=NOW)
    second = Layouts(live=3).begun(1, at=NOW + timedelta(minutes=1)).switched(until=NOW)
    directory.record(first)
    directory.save(3, position=7)
    before = await views.position()
    directory._client.flushall()
    directory.record(second)
    directory.save(3, position=8)
    directory.save(1, position=9)
    directory.mark(3, left=second.switches)

    assert (before, await views.position()) == (7, 9)


async def test_who_sends_their_position_back_is_taken_back_by_no_other_process(valkey, views, directory):
    """The part that it reads is still to be marked as left, and fed no more; it waits until it is told."""
    directory.record(Layouts(live=1))
    directory.save(1, position=7)
    first = await views.position()
    directory.save(3, position=8)
    directory.record(Layouts(live=3, kept=1, switches=1))
    at_home = RecordedLayout(patient_connector(valkey.url), nodes_of=lambda _: None)
    others = redis_views(patient_connector(valkey.url), recorded=at_home, patience=PATIENCE)["profiles"]
    async with aclosing(at_home), others:
        highest = await others.position()
    reader = await blocked_reader(views, minimum=highest, ask=partial(standing, views))
    behind = await views.position()
    directory.mark(1, left=1)

    async with asyncio.timeout(PATIENCE):
        assert (first, highest, behind, (await reader).position) == (7, 8, 7, 8)


async def test_where_the_other_layout_may_lose_records_nobody_is_missing(views, directory):
    directory.record(Layouts(live=1))
    directory.save(1, position=7)
    directory.save(3, position=8)
    await views.position()
    directory._client.config_set("maxmemory-policy", "allkeys-lru")
    directory.switch(1, 3)
    try:
        with pytest.raises(EvictionPossible):
            await views.by_id(str(ADA.account_id))
    finally:
        directory._client.config_set("maxmemory-policy", "noeviction")


async def test_who_waits_goes_on_waiting_in_the_other_layout(views, directory):
    directory.record(Layouts(live=1))
    directory.save(1, position=7)
    reader = await blocked_reader(views, minimum=9, ask=partial(standing, views))
    directory.save(3, position=8)
    directory.switch(1, 3)
    async with asyncio.timeout(PATIENCE):
        while await views.position() < 8:  # noqa: ASYNC110 - it is told to who waits alone
            await asyncio.sleep(0.001)
    directory.save(3, position=9, records={})

    async with asyncio.timeout(PATIENCE):
        assert (await reader).position == 9


async def test_a_page_goes_on_where_the_page_before_ended_in_the_other_layout(views, directory):
    directory.record(Layouts(live=1))
    directory.save(1, position=7)
    directory.save(3, position=7)
    first = await views.list(ProfileQuery(limit=1))
    directory.switch(1, 3)
    second = await views.list(ProfileQuery(limit=1, after=first.after))

    assert [handles(each) for each in (first, second)] == [["bob"], ["Ada"]]


async def test_readers_who_are_told_of_it_at_once_ask_home_together(views, directory, recorded, monkeypatch):
    directory.record(Layouts(live=1))
    directory.save(1, position=7)
    directory.save(3, position=8)
    await views.position()
    directory.switch(1, 3)
    asked = []
    fetch = recorded._connection.fetch

    def count_and_fetch(*what, **more):
        asked.append(what)
        return fetch(*what, **more)

    monkeypatch.setattr(recorded._connection, "fetch", count_and_fetch)

    answers = await asyncio.gather(*(views.by_id(str(ADA.account_id)) for _ in range(100)))

    assert {each.position for each in answers} == {8}
    assert 0 < len(asked) < 5


async def test_a_server_is_asked_once_at_a_time_whether_it_evicts(valkey, directory):
    """By who goes over to a layout, too, while it is asked as it is every few seconds."""
    async with EvictionWatch(patient_connector(valkey.url)) as watch, asyncio.timeout(PATIENCE):
        await asyncio.gather(*(watch.go_over(None, None) for _ in range(20)))
        watch.require_none()
