"""How many requests a subject may make: buckets in memory and in Redis, and the leases that are taken from them."""

import asyncio
from itertools import count

import pytest

from shared.auth.adapters.memory.buckets import MemoryBuckets
from shared.auth.adapters.redis.buckets import TIMEOUTS, RedisBuckets
from shared.auth.rate_limits import RateLimiter, RateLimiterLimits
from shared.dev_stack.embedded.redis import EmbeddedRedis
from shared.errors import Unavailable
from shared.read_model.keys import HOME
from shared.redis.client import connect
from shared.settings import Rate
from tests.support.clock import Time
from tests.support.patience import PATIENT, until

ROUNDING = 1e-6
"""Of seconds since the machine started."""

_names = count(1)

LIMITS = RateLimiterLimits()


@pytest.fixture(params=["memory", "valkey", "genuine_redis", "cluster"])
async def buckets_of(request):
    """Makes buckets of a rate that nobody has used yet; no request is let in because the disk is slow."""
    if request.param == "memory":
        yield MemoryBuckets
        return
    server = request.getfixturevalue(request.param).start()
    async with connect(server.url, timeouts=PATIENT) as client:
        yield lambda rate: RedisBuckets(client, rate, name=f"test-{next(_names)}", keyspace=HOME)


async def test_a_bucket_gives_what_it_has_and_no_more(buckets_of):
    """And tells when there will be more."""
    buckets = buckets_of(Rate(10, 3_600))

    first = await buckets.draw("ada", wanted=4, returned=0)
    second = await buckets.draw("ada", wanted=10, returned=0)
    third = await buckets.draw("ada", wanted=1, returned=0)

    assert [(each.granted, each.remaining) for each in (first, second, third)] == [(4, 6), (6, 0), (0, 0)]
    assert (first.retry_after, second.retry_after) == (0, 0)
    assert 300 < third.retry_after < 360 + ROUNDING
    assert 1_400 < first.reset < 1_440 + ROUNDING


async def test_what_is_put_back_can_be_taken_again(buckets_of):
    buckets = buckets_of(Rate(10, 3_600))
    await buckets.draw("ada", wanted=10, returned=0)

    again = await buckets.draw("ada", wanted=10, returned=3)

    assert again.granted == 3


async def test_no_more_is_put_back_than_there_is_room_for(buckets_of):
    buckets = buckets_of(Rate(10, 3_600))

    again = await buckets.draw("ada", wanted=20, returned=50)

    assert again.granted == 10


async def test_subjects_have_buckets_of_their_own(buckets_of):
    buckets = buckets_of(Rate(1, 3_600))
    await buckets.draw("ada", wanted=1, returned=0)

    assert (await buckets.draw("ada", wanted=1, returned=0)).granted == 0
    assert (await buckets.draw("bob", wanted=1, returned=0)).granted == 1


async def test_several_processes_together_admit_no_more_than_the_rate(buckets_of):
    """However they take turns; each keeps back a twentieth at most."""
    rate = Rate(200, 3_600)
    buckets = buckets_of(rate)
    workers = [RateLimiter(rate, buckets) for _ in range(3)]

    verdicts = await asyncio.gather(*(workers[nth % 3].admit("ada") for nth in range(600)))

    admitted = sum(not each.retry_after for each in verdicts)
    assert 200 - 2 * 10 <= admitted <= 200
    assert all(each.remaining == 0 for each in verdicts if each.retry_after)


@pytest.fixture
def clock():
    return Time()


def limited(rate, clock):
    buckets = MemoryBuckets(rate, clock=clock)
    return RateLimiter(rate, buckets, clock=clock), buckets


async def test_a_lease_serves_many_requests_without_asking(clock):
    """Nor does a request that is refused ask again, before there can be more."""
    limiter, buckets = limited(Rate(100, 100), clock)

    admitted = [await limiter.admit("ada") for _ in range(100)]
    assert buckets.draws == 20
    refused = [await limiter.admit("ada") for _ in range(50)]

    assert [each.remaining for each in admitted] == list(range(99, -1, -1))
    assert all(0 < each.retry_after <= 1 for each in refused)
    assert buckets.draws == 21
    clock.now += 1.001
    assert not (await limiter.admit("ada")).retry_after


async def test_what_a_lease_does_not_use_is_given_back(clock):
    """So that a subject that asks seldom has its whole quota."""
    limiter, buckets = limited(Rate(40, 3_600), clock)
    for _ in range(40):
        assert not (await limiter.admit("ada")).retry_after
        clock.now += LIMITS.lease + 0.001

    assert (await limiter.admit("ada")).retry_after
    assert buckets.draws == 41


async def test_nobody_is_limited_while_the_buckets_are_away(clock):
    """And they are not asked by every request meanwhile."""
    limiter, buckets = limited(Rate(1, 3_600), clock)
    assert not (await limiter.admit("ada")).retry_after
    assert (await limiter.admit("bob")).retry_after == 0
    buckets.available = False
    clock.now += 3_600

    verdicts = [await limiter.admit("ada") for _ in range(5)]
    assert not any(each.retry_after for each in verdicts)

    buckets.available = True
    clock.now += LIMITS.away
    assert [bool((await limiter.admit("ada")).retry_after) for _ in range(2)] == [False, True]


async def test_a_redis_that_is_away_keeps_nobody_waiting(server_home):
    with EmbeddedRedis(server_home / "limits", appendonly=False) as server:
        client = connect(server.url, timeouts=TIMEOUTS)
        buckets = RedisBuckets(client, Rate(1, 60), name="away", keyspace=HOME)
        await until(lambda: drawn_from(buckets))

    async with asyncio.timeout(30):
        with pytest.raises(Unavailable):
            await buckets.draw("ada", wanted=1, returned=0)
    await client.aclose()


async def drawn_from(buckets):
    """What was given, if the server was as quick as it has to be."""
    try:
        return await buckets.draw("ada", wanted=1, returned=0)
    except Unavailable:
        return None
