"""Leases in their partitions, on every store: on a cluster they lie on several nodes."""

from contextlib import asynccontextmanager

import pytest
from redis import Redis

from projector.adapters.memory.leases import MemoryLease
from projector.adapters.redis.leases import RedisLease
from projector.store.ports import Candidate, LeaseName
from shared.dev_stack.embedded.server import free_port
from shared.errors import Unavailable
from shared.read_model.keys import HOME
from shared.read_model.partitions import Partitions
from shared.redis.cluster import slot_of
from shared.redis.location import located
from tests.support.processes import frozen
from tests.support.read_models import LASTING

TAGS = [HOME.tag, *Partitions(3).tags]
SIGNS_AND_LOOKS = ("sadd", "set", "mget", "smembers")
NAMES = [LeaseName(projection, 1, tag) for tag in TAGS for projection in ("groups", "profiles")]
ONE, OTHER = Candidate("one", "2026-11-25T08:00:00+00:00"), Candidate("other", "2026-11-25T09:00:00+00:00")


@asynccontextmanager
async def leases_at(url, *, partitions=TAGS):
    lease = RedisLease(url, partitions=partitions, limits=LASTING)
    try:
        yield lease
    finally:
        await lease.aclose()


@pytest.fixture(params=["memory", "valkey", "genuine_redis", "cluster"])
async def lease(request):
    if request.param == "memory":
        yield MemoryLease()
        return
    server = request.getfixturevalue(request.param).start()
    for each in getattr(server, "nodes", [server]):
        with Redis.from_url(located(each.url)) as client:
            client.flushall()
    async with leases_at(server.url) as opened:
        yield opened


async def hold(lease, candidate, names=NAMES):
    """Renew leases and take those that nobody has; return those that the candidate has then."""
    held = set()
    for of_server in await lease.by_server(names):
        holders = (await lease.renew(candidate, of_server)).holders
        held |= {each for each, holder in holders.items() if holder == candidate}
        held |= await lease.take(candidate, [each for each in of_server if each not in holders])
    return held


async def leave(lease, candidate):
    for of_server in await lease.by_server(NAMES):
        await lease.leave(candidate, of_server)


async def test_one_projector_holds_a_lease(lease):
    """The other is listed beside it, and gets the lease once it is given up."""
    held = [await hold(lease, each) for each in (ONE, OTHER, ONE)]
    together = await lease.candidates(NAMES)
    for of_server in await lease.by_server(NAMES):
        await lease.release(ONE, of_server)

    assert held == [set(NAMES), set(), set(NAMES)]
    assert (dict.fromkeys(NAMES, ONE), [ONE, OTHER]) == (together.holders, together.all)
    assert await hold(lease, OTHER) == set(NAMES)
    assert list((await lease.candidates(NAMES)).all) == [ONE, OTHER]


async def test_everyone_is_listed_in_each_partition(lease):
    """So that they find each other, whichever server is away."""
    await hold(lease, ONE)
    await hold(lease, OTHER)

    present = (await lease.candidates(NAMES)).present

    assert [{each.id for each in present[tag]} for tag in TAGS] == [{"one", "other"}] * len(TAGS)


async def test_who_leaves_is_listed_no_more(lease):
    await hold(lease, ONE)
    await hold(lease, OTHER, NAMES[:2])

    await leave(lease, ONE)
    await leave(lease, ONE)
    left = await lease.candidates(NAMES)

    assert (left.holders, left.all) == ({}, [OTHER])


async def test_projectors_of_two_versions_hold_a_lease_each(lease):
    """The old one goes on feeding while the new one rebuilds; what both can feed, one of them does."""
    groups, old = NAMES[:2]
    new = old._replace(version=2)

    held = [await hold(lease, ONE, [groups, old]), await hold(lease, OTHER, [groups, new])]

    assert held == [{groups, old}, {new}]
    assert (await lease.candidates([groups, old, new])).holders == {groups: ONE, old: ONE, new: OTHER}


async def test_a_lease_is_of_one_partition(lease):
    first, *_, last = NAMES

    await hold(lease, ONE, [first])
    await hold(lease, OTHER, [last])

    assert (await lease.candidates(NAMES)).holders == {first: ONE, last: OTHER}


async def test_who_does_not_hold_a_lease_cannot_release_it(lease):
    await hold(lease, ONE)

    for of_server in await lease.by_server(NAMES):
        await lease.release(OTHER, of_server)

    assert (await lease.candidates(NAMES)).holders == dict.fromkeys(NAMES, ONE)


async def test_who_was_too_late_does_not_take_a_lease(lease):
    """Both saw that nobody had it."""
    [name, *_] = NAMES
    await lease.by_server(NAMES)
    await lease.renew(ONE, [name])
    await lease.renew(OTHER, [name])

    taken = [await lease.take(each, [name]) for each in (ONE, OTHER)]

    assert taken == [{name}, set()]


async def test_a_server_that_is_away_is_unavailable():
    async with leases_at(f"redis://127.0.0.1:{free_port()}") as lease:
        for attempt in (lease.renew(ONE, NAMES), lease.candidates(NAMES), lease.release(ONE, NAMES)):
            with pytest.raises(Unavailable, match="Redis"):
                await attempt


async def test_a_node_that_stands_still_holds_up_no_lease_on_another(cluster):
    cluster.start()
    async with leases_at(cluster.url) as lease:
        await hold(lease, ONE)
        still = cluster.owner(slot_of(TAGS[-1]))
        lying_there = {each for each in NAMES if cluster.owner(slot_of(each.partition)) is still}
        with frozen({still.pid}):
            found = await lease.candidates(NAMES)
            away, *others = sorted(await lease.by_server(NAMES), key=lambda each: not lying_there.intersection(each))
            held = [await lease.renew(ONE, each) for each in others]
            with pytest.raises(Unavailable):
                await lease.renew(ONE, away)
        cluster.settled()

    assert found.holders == dict.fromkeys(set(NAMES) - lying_there, ONE)
    assert {name for each in held for name in each.holders} == set(NAMES) - lying_there


@pytest.mark.parametrize(
    ("partitions", "little"), [([HOME.tag], {"pexpire": 1, "mget": 1}), (TAGS, dict.fromkeys(SIGNS_AND_LOOKS, 4))]
)
async def test_one_that_has_all_there_is_asks_little(valkey, partitions, little):
    """Where nothing is shared, it does not look who else is there; else for no sign of life but others'."""
    own = [each for each in NAMES if each.partition in partitions]
    async with leases_at(valkey.start().url, partitions=partitions) as lease:
        with Redis.from_url(valkey.url) as spy:
            spy.flushall()
            await hold(lease, ONE, own)
            before = spy.info("commandstats")
            await lease.renew(ONE, own)
            after = spy.info("commandstats")

    asked = {each: after[each]["calls"] - before.get(each, {"calls": 0})["calls"] for each in after}
    assert {each.removeprefix("cmdstat_"): calls for each, calls in asked.items() if calls} == {**little, "info": 1}
