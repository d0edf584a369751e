"""The clock of Redis is set back: what was to run out in seconds would take an hour, and holds nobody up for it."""

import time
from hashlib import sha256

from projector.store.ports import LeaseName
from shared.auth.adapters.redis.buckets import RedisBuckets
from shared.read_model.keys import HOME
from shared.redis.client import connect
from shared.settings import Rate
from tests.contract.test_leases import ONE, OTHER, hold, leases_at
from tests.support.patience import PATIENT

HOUR = 3_600
NAMES = [LeaseName("groups", 1), LeaseName("profiles", 1)]


async def test_leases_do_not_outlast_who_holds_them(redis_server):
    """Nor is a projector seen for long that has died."""
    async with connect(redis_server.url) as client, leases_at(redis_server.url, partitions=[HOME.tag]) as lease:
        await hold(lease, ONE, NAMES)
        await client.pexpire(HOME.projector(ONE.id), HOUR * 1_000)

        held = await hold(lease, OTHER, NAMES)
        found = await lease.candidates(NAMES)

    assert held == set(NAMES)
    assert (found.holders, found.all) == (dict.fromkeys(NAMES, OTHER), [OTHER])


async def test_who_lost_a_lease_notices_though_it_is_alive(redis_server):
    """Redis came back without it, say, and another projector was faster."""
    async with connect(redis_server.url) as client, leases_at(redis_server.url, partitions=[HOME.tag]) as lease:
        await hold(lease, ONE, NAMES)
        await client.delete(*(HOME.projection(each.projection).lease(each.version) for each in NAMES))

        held = [await hold(lease, each, NAMES) for each in (OTHER, ONE)]

    assert held == [set(NAMES), set()]


async def test_nobody_waits_longer_than_for_an_empty_bucket(redis_server):
    async with connect(redis_server.url, timeouts=PATIENT) as client:
        await client.set(HOME.limit("set-back", sha256(b"ada").hexdigest()), int((time.time() + HOUR) * 1e6))
        buckets = RedisBuckets(client, Rate(10, 10), name="set-back", keyspace=HOME)

        refused = await buckets.draw("ada", wanted=1, returned=0)
        given = await buckets.draw("ada", wanted=1, returned=2)

    assert (refused.granted, given.granted) == (0, 1)
    assert refused.retry_after <= 1
