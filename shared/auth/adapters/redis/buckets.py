"""Buckets in Redis, by its clock, so that all processes on all machines count alike."""

from hashlib import sha256
from math import ceil
from typing import Any

from redis.asyncio import Redis

from shared.auth.rate_limits import Draw
from shared.read_model.keys import Keyspace
from shared.redis.client import RedisTimeouts
from shared.redis.failures import reachable
from shared.settings import Rate

TIMEOUTS = RedisTimeouts(connect=0.25, reply=0.25)
"""After which no caller is limited, rather than kept waiting."""

# What is stored is when the bucket will be full, in microseconds; all numbers stay below 2^53. It is never further away
# than an empty bucket would have it, unless the server's clock was set back: then no caller waits for that.
_DRAW = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local burst, interval, wanted, returned = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local stored = math.min(tonumber(redis.call('GET', KEYS[1]) or now), now + burst)
local full = math.max(now, stored - returned * interval)
local there = math.floor((now + burst - full) / interval + 0.000001)
local granted = math.min(there, wanted)
local retry = 0
full = full + granted * interval
if granted > 0 or returned > 0 then
    redis.call('SET', KEYS[1], string.format('%.0f', full), 'PX', math.max(1, math.ceil((full - now) / 1000)))
end
if granted == 0 then retry = math.ceil(full + interval - now - burst) end
return {granted, there - granted, math.ceil(full - now), retry}
"""


class RedisBuckets:
    """
    Buckets of one API.

    :param name: of the API; each counts by itself.
    """

    def __init__(self, client: Redis, rate: Rate, *, name: str, keyspace: Keyspace) -> None:
        self._draw: Any = client.register_script(_DRAW)
        self._name, self._keyspace = name, keyspace
        self._burst, self._interval = rate.seconds * 1_000_000, rate.seconds * 1_000_000 / rate.quota

    async def draw(self, subject: str, *, wanted: int, returned: int) -> Draw:
        digest = sha256(subject.encode()).hexdigest()
        arguments = [self._burst, self._interval, wanted, returned]
        with reachable():
            reply = await self._draw(keys=[self._keyspace.limit(self._name, digest)], args=arguments)
        granted, remaining, reset, retry_after = map(int, reply)
        return Draw(granted, max(0, remaining), reset / 1e6, ceil(retry_after) / 1e6)
