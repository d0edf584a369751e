"""A Redis that dies, stalls, forgets, talks nonsense or may evict: never does a reader take that for an answer."""

import asyncio
import os
import signal

import pytest
from redis import Redis
from structlog.testing import capture_logs

from read_side.adapters.redis.limits import RedisReadLimits
from read_side.adapters.redis.views.profiles import RedisProfileViews
from read_side.freshness import Freshness
from read_side.views import NeverFilled
from shared.dev_stack.embedded.redis import EmbeddedRedis
from shared.errors import EvictionPossible, Unavailable
from shared.redis.client import RedisTimeouts, connector
from tests.support.patience import patient_connector, until_here
from tests.support.processes import frozen
from tests.support.read_side import ADA, BOB, KEYS, PATIENCE, RedisProjection, blocked_reader, every_question, served

ID = str(ADA.account_id)


async def test_a_server_that_was_killed_is_unavailable_until_it_is_back(redis_server, redis_projection, redis_views):
    """By kill -9, and started from its append-only file: errors in between, and the read side need not start again."""
    redis_projection.commit(ADA, position=7)
    assert served(await redis_views.by_id(ID)) == ADA

    redis_server.kill()
    meanwhile = await every_question(redis_views)
    redis_server.start()

    assert {Unavailable} == set(map(type, meanwhile))
    assert served(await redis_views.by_handle("ada")) == ADA


async def test_an_outage_is_logged_once(redis_server, redis_projection, redis_views):
    """For look-ups and for lists, not by each of the thousands of trips that fail; and its end is logged too."""
    redis_projection.commit(ADA, position=7)

    with capture_logs() as logs:
        redis_server.kill()
        for _ in range(3):
            await every_question(redis_views)
        redis_server.start()
        await every_question(redis_views)

    events = [(entry["lane"], entry["event"]) for entry in logs if entry["event"].startswith("batches")]
    for lane in ("look-ups", "lists"):
        assert [event for own, event in events if own == lane] == [
            "batches of reads fail",
            "batches of reads succeed again",
        ]


async def test_who_waits_when_the_server_dies_is_served_once_it_is_back(redis_server, redis_projection, redis_views):
    """Subscribing starts over by itself; a commit between the server's return and that is not missed."""
    redis_projection.commit(ADA, position=7)
    reader = await blocked_reader(redis_views, minimum=8)

    redis_server.kill()
    redis_server.start()
    redis_projection.commit(BOB, position=8)

    async with asyncio.timeout(30):
        assert (await reader).position == 8


async def test_a_connection_that_was_lost_is_replaced_before_anybody_notices(redis_projection, redis_views):
    """Reading twice does no harm, so that a closed connection is no error."""
    redis_projection.commit(ADA, position=7)
    await every_question(redis_views)

    redis_projection.client.client_kill_filter(_type="normal", skipme=True)

    assert served(await redis_views.by_handle("ada")) == ADA


async def test_a_server_that_is_away_at_start_is_unavailable_until_it_is_there(tmp_path):
    """The read side starts without it."""
    server = EmbeddedRedis(tmp_path / "late", appendonly=False)
    server.prepare()
    freshness = Freshness("profiles", patience=PATIENCE)
    async with RedisProfileViews(patient_connector(server.url), freshness=freshness) as views:
        assert {Unavailable} == set(map(type, await every_question(views)))

        with server, Redis.from_url(server.url) as client:
            RedisProjection(client).commit(ADA, position=7)

            assert served(await views.by_handle("ada")) == ADA


async def test_a_server_that_stalls_is_unavailable_in_time(redis_server, redis_projection):
    """Its late replies are dropped: they are not taken for those to the next queries."""
    redis_projection.commit(ADA, BOB, position=7)
    hasty = connector(redis_server.url, timeouts=RedisTimeouts(reply=1.0))
    async with RedisProfileViews(hasty, freshness=Freshness("profiles", patience=PATIENCE)) as views:
        await views.position()

        with frozen({redis_server.pid}), pytest.raises(Unavailable):
            await views.by_id(str(BOB.account_id))

        assert served(await views.by_id(ID)) == ADA


async def test_an_announcement_that_was_lost_is_found_after_subscribing_again(redis_projection, redis_views):
    """The subscriber's connection is cut, the commit is told to nobody, and still nobody waits a minute."""
    redis_projection.commit(ADA, position=7)
    reader = await blocked_reader(redis_views, minimum=8)

    async with asyncio.timeout(30):
        await until_here(lambda: redis_projection.client.pubsub_numsub(KEYS.announce)[0][1])
        redis_projection.client.client_kill_filter(_type="pubsub")
        redis_projection.commit(BOB, position=8, announce=False)

        assert (await reader).position == 8


async def test_what_cannot_be_read_is_not_taken_for_nobody(redis_projection, redis_views):
    """A hash of another type, a pointer or a checkpoint that is no JSON: `Unavailable`."""
    redis_projection.commit(ADA, position=7)

    for key in (redis_projection.keys.unique_entries("by-handle"), KEYS.live, redis_projection.keys.checkpoint):
        kept = redis_projection.client.dump(key)
        redis_projection.client.set(key, "nonsense")
        with pytest.raises(Unavailable):
            await redis_views.by_handle("ada")
        redis_projection.client.restore(key, 0, kept, replace=True)

    assert served(await redis_views.by_handle("ada")) == ADA


async def test_a_refusal_in_the_middle_spoils_nobody_elses_answer(redis_projection, redis_views):
    """What is left of the replies to a refused transaction is not taken for those to the next."""
    redis_projection.commit(ADA, BOB, position=7)
    await redis_views.position()

    redis_projection.client.acl_setuser("default", enabled=True, commands=["-hmget"])
    with pytest.raises(Unavailable):
        await redis_views.by_id(str(BOB.account_id))
    redis_projection.client.acl_setuser("default", enabled=True, commands=["+hmget"])

    assert [served(await redis_views.by_id(ID)) for _ in range(4)] == [ADA] * 4


async def test_a_generation_without_checkpoint_misses_nobody(redis_projection, redis_views):
    """How much it reflects is not known."""
    redis_projection.commit(ADA, position=7)

    redis_projection.client.delete(redis_projection.keys.checkpoint)

    with pytest.raises(NeverFilled, match="g1 has lost its checkpoint"):
        await redis_views.by_handle("nobody")


async def test_where_records_may_be_evicted_nobody_is_missing(redis_server, redis_projection):
    """Under such a policy a record that is not there proves nothing; once it is gone, reading goes on."""
    redis_projection.commit(ADA, position=7)
    redis_projection.client.config_set("maxmemory-policy", "allkeys-lru")

    async with RedisProfileViews(
        patient_connector(redis_server.url), freshness=Freshness("profiles", patience=PATIENCE)
    ) as views:
        evicting = await every_question(views)
        redis_projection.client.config_set("maxmemory-policy", "noeviction")
        await views._eviction._look()

        assert {EvictionPossible} == set(map(type, evicting))
        assert "allkeys-lru" in str(evicting[0])
        assert served(await views.by_handle("ada")) == ADA


async def test_who_still_waits_when_the_read_side_stops_is_told(redis_server, redis_projection):
    """No request hangs on a service that has ended: under way, behind those, or later."""
    redis_projection.commit(ADA, position=7)
    connect, freshness = patient_connector(redis_server.url), Freshness("profiles", patience=PATIENCE)
    limits = RedisReadLimits(trips=2, batches=3, fields=100)
    async with RedisProfileViews(connect, freshness=freshness, limits=limits) as views:
        await views.position()
        os.kill(redis_server.pid, signal.SIGSTOP)
        asked = [asyncio.create_task(views.by_id(ID)) for _ in range(700)]
        await until_here(lambda: views._lanes.look_ups._queued == 100)
    os.kill(redis_server.pid, signal.SIGCONT)

    async with asyncio.timeout(PATIENCE):
        answers = await asyncio.gather(*asked, views.by_id(ID), return_exceptions=True)

    assert {Unavailable} == set(map(type, answers))
