"""One shard of the bus in Redis: a stream that is read in order, whatever other consumers have read before."""

from collections.abc import Sequence
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import ResponseError

from shared.errors import Unavailable
from shared.redis.failures import reachable
from write_side.bus.entries import ANSWERS, DEAD_LETTERS, GROUP, Message, SettledMessage, commands
from write_side.bus.limits import BusLimits

# Another consumer may have been killed over what it has read and not settled: that is counted. What this one took is
# not: it takes anew what stands behind a refusal. From the second such death on a message is taken alone, so that those
# are not counted that only stand beside one that kills. What a producer trimmed meanwhile is nobody's any more.
_TAKE = """
local group, consumer, most = ARGV[1], ARGV[2], tonumber(ARGV[3])
local taken = {}
local function take(entries, deaths)
    for _, each in ipairs(entries) do taken[#taken + 1] = {each[1], each[2], deaths} end
end
local pending = redis.call('XPENDING', KEYS[1], group, '-', '+', most)
for _, each in ipairs(pending) do
    local id, owner, times = each[1], each[2], each[4]
    local is_foreign = owner ~= consumer
    local deaths = is_foreign and times or times - 1
    if deaths > 1 and #taken > 0 then return taken end
    if is_foreign then redis.call('XCLAIM', KEYS[1], group, consumer, 0, id) end
    local entries = redis.call('XRANGE', KEYS[1], id, id)
    if #entries == 0 then redis.call('XACK', KEYS[1], group, id) end
    take(entries, deaths)
    if deaths > 1 then return taken end
end
if #pending < most then
    local new = redis.call('XREADGROUP', 'GROUP', group, consumer, 'COUNT', most - #pending, 'STREAMS', KEYS[1], '>')
    if new then take(new[1][2], 0) end
end
return taken
"""
# As if it had been read once: the consumer lives, and it may be the next one's for whatever reason.
_SURVIVE = """
for _, each in ipairs(redis.call('XPENDING', KEYS[1], ARGV[1], '-', '+', ARGV[3], ARGV[2])) do
    redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, each[1], 'RETRYCOUNT', 1, 'JUSTID')
end
"""
# A message that another consumer has claimed meanwhile is that one's to answer.
_SETTLE = """
local settled = 0
for at = 6, #ARGV, 3 do
    local id, answer, dead = ARGV[at], ARGV[at + 1], ARGV[at + 2]
    if #redis.call('XPENDING', KEYS[1], ARGV[1], id, id, 1, ARGV[2]) == 1 then
        redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[3], '*', 'shard', ARGV[5], 'message', id, 'answer', answer)
        if dead ~= '' then
            redis.call('XADD', KEYS[3], 'MAXLEN', '~', ARGV[4], '*', 'shard', ARGV[5], 'message', id, 'reason', dead)
        end
        redis.call('XACK', KEYS[1], ARGV[1], id)
        redis.call('XDEL', KEYS[1], id)
        settled = settled + 1
    end
end
return settled
"""
# At once: a consumer that is removed loses what it has read, and this one may read at any time.
_FORGET = """
for _, each in ipairs(redis.call('XINFO', 'CONSUMERS', KEYS[1], ARGV[1])) do
    if each[4] == 0 then redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], each[2]) end
end
"""
_START = "0-0"


class ShardStream:
    """
    Messages of one shard, as the consumer that has the shard's lock takes and settles them.

    A settled message is removed: what stands in the stream is still to be done.
    """

    def __init__(self, client: Redis, shard: int, *, consumer: str, limits: BusLimits) -> None:
        self._client = client
        self._shard = shard
        self._key = commands(shard)
        self._consumer = consumer
        self._limits = limits
        self._take: Any = client.register_script(_TAKE)
        self._survive: Any = client.register_script(_SURVIVE)
        self._settle: Any = client.register_script(_SETTLE)
        self._forget: Any = client.register_script(_FORGET)

    async def open(self) -> None:
        """Make sure that stream and consumer group are there, and forget consumers that have nothing pending."""
        with reachable():
            try:
                await self._client.xgroup_create(self._key, GROUP, id=_START, mkstream=True)
            except ResponseError as error:
                if not str(error).startswith("BUSYGROUP"):
                    raise
            await self._forget(keys=[self._key], args=[GROUP])

    async def take(self) -> Sequence[Message]:
        """
        Take what is to be done first, in order: what any consumer has read and not settled, then what is new.

        At once: a consumer that was thought dead cannot come in between with what it reads.
        """
        with reachable():
            taken = await self._take(keys=[self._key], args=[GROUP, self._consumer, self._limits.at_once])
        return [Message.of(self._shard, *each) for each in taken]

    async def wait(self) -> None:
        """Return once there may be something to be done."""
        with reachable():
            await self._client.xread({self._key: _START}, count=1, block=round(self._limits.wait_seconds * 1000))

    async def survive(self) -> None:
        """Count no death for what this consumer has taken and not settled."""
        with reachable():
            await self._survive(keys=[self._key], args=[GROUP, self._consumer, self._limits.at_once])

    async def settle(self, messages: Sequence[SettledMessage]) -> None:
        """
        Answer messages, write dead letters and remove them, all at once.

        :raises Unavailable: another consumer has claimed some of them, which are its own to answer.
        """
        parts = [part for each in messages for part in (each.message.id, each.answer, each.dead)]
        kept = (self._limits.answers_kept, self._limits.dead_kept)
        with reachable():
            settled = await self._settle(
                keys=[self._key, ANSWERS, DEAD_LETTERS], args=[GROUP, self._consumer, *kept, self._shard, *parts]
            )
        if settled < len(messages):
            raise Unavailable(f"shard {self._shard} of the bus is carried out by another consumer")
