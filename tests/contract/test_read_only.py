"""The read side changes nothing in Redis, and asks for nothing whose cost grows with the directory."""

from contextlib import AsyncExitStack
from itertools import product

import pytest
from redis import Redis

from read_side.adapters.redis.transport.eviction import EvictionWatch
from read_side.adapters.redis.views.profiles import RedisProfileViews
from read_side.adapters.redis.views.stats import RedisStatsViews
from read_side.freshness import Freshness
from read_side.services import redis_views
from read_side.views import GroupQuery, MemberQuery, ProfileKeys, ProfileQuery
from shared.read_model.ordering import GROUP_ORDERS, PROFILE_ORDERS
from tests.contract.crowds import GROUPS, crowd
from tests.support.directory import MEMBERSHIPS
from tests.support.directory import PEOPLE as MEMBERS
from tests.support.patience import patient_connector
from tests.support.read_side import PATIENCE, RedisActivity, RedisGroups, RedisProjection, RedisStats

PEOPLE = crowd(50)
READS = {"get", "hmget", "zrange", "zlexcount", "zmscore", "multi", "exec", "subscribe", "info", "ping"}
CONNECTING = {"hello", "client|setinfo", "client|setname", "select", "auth", "client|no-evict"}
OURS = {"config|resetstat", "info"}


@pytest.fixture
def filled(redis_server):
    with Redis.from_url(redis_server.url) as client:
        RedisProjection(client).commit(*PEOPLE, position=7)
        RedisGroups(client).commit(*GROUPS, people=MEMBERS, memberships=MEMBERSHIPS, position=7)
        RedisActivity(client).commit(position=7)
        RedisStats(client).commit(position=7)
        client.config_resetstat()
        yield client


async def every_look_up(*, profiles, groups, activity, stats, **_):
    person = PEOPLE[0]
    await profiles.by_id(str(person.account_id))
    await profiles.by_handle(person.handle)
    await profiles.by_email(person.email)
    await profiles.by_external_id("x")
    await profiles.by_keys(ProfileKeys(ids=("x",), handles=(person.handle,)))
    await activity.of(str(person.account_id), limit=5)
    await stats.read()
    for name in (str(GROUPS[0].group_id), GROUPS[0].slug):
        await groups.get(name)
        await groups.members(name, MemberQuery())
        await groups.members(name, MemberQuery(role="member"))
        await groups.member(name, str(person.account_id))


async def every_list(profiles, groups):
    for order, words, descending in product((*PROFILE_ORDERS, None), ((), ("a",), ("an", "s")), (False, True)):
        for tags, group in product(((), ("senate",), ("senate", "house")), (None, GROUPS[0].slug)):
            await profiles.list(
                ProfileQuery(order=order, words=words, tags=tags, group=group, descending=descending, after=b"b")
            )
    for order in GROUP_ORDERS:
        await groups.list(GroupQuery(order=order))


async def test_only_commands_that_read_a_bounded_part_are_sent(filled, redis_server):
    """No KEYS, no SCAN, no script, no whole hash or list, and nothing that writes."""
    views = redis_views(patient_connector(redis_server.url), patience=PATIENCE)
    async with AsyncExitStack() as stack:
        for each in views.values():
            await stack.enter_async_context(each)
        await every_look_up(**views)
        await every_list(views["profiles"], views["groups"])

    sent = {name.removeprefix("cmdstat_") for name in filled.info("commandstats")}

    assert {"get", "hmget", "zrange", "zlexcount", "multi", "exec"} <= sent
    assert set() == sent - READS - CONNECTING - OURS


async def test_one_watch_serves_all_views_of_a_process(redis_server):
    """It watches from the first that opens until the last has closed."""
    connect = patient_connector(redis_server.url)
    eviction = EvictionWatch(connect)
    kinds = (RedisProfileViews, RedisStatsViews)
    one, other = (
        kind(connect, freshness=Freshness("profiles", patience=PATIENCE), eviction=eviction) for kind in kinds
    )

    async with one:
        [watching] = eviction._tasks._running
        async with other:
            assert {watching} == eviction._tasks._running
        assert not watching.done()

    assert watching.done()
