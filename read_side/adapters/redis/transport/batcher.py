"""
Many queries, few trips.

All that is asked in one turn of the event loop travels together, in batches: each is one transaction with the pointer
and the checkpoint. While a few trips are under way the next queries gather.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from itertools import accumulate, chain
from typing import Any, NamedTuple, Self

import msgspec
import structlog
from prometheus_client import Histogram
from redis.exceptions import ResponseError

from read_side.adapters.redis.limits import RedisReadLimits
from read_side.adapters.redis.transport.generation import LiveGeneration, Names
from read_side.adapters.redis.transport.reads import Field, Read
from read_side.freshness import Freshness
from read_side.views import NeverFilled
from shared.errors import Overloaded, Unavailable
from shared.read_model.keys import ProjectionKeys
from shared.redis.client import Connect, describe
from shared.redis.pipelined import PipelinedConnection, pack
from shared.runtime.tasks import Tasks

_LOOK_UPS = Histogram(
    "muster_read_trip_look_ups", "Look-ups that shared one trip to Redis.", buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256)
)

log = structlog.get_logger()


class Reply(NamedTuple):
    """
    The answer to one query: everything as it was when `generation` stood at `position`.

    :param checkpoint: as it is stored: where two are equal, nothing of the generation was written in between.
    :param values: of the fields asked for.
    :param results: of the further reads.
    """

    generation: str
    position: int
    checkpoint: bytes
    values: Sequence[bytes | None]
    results: Sequence[Any] = ()


class Begun(msgspec.Struct, frozen=True):
    """The part of a `positions.FanOutProgress` that a reader needs."""

    position: int
    since: int = 0


class Position(msgspec.Struct, frozen=True):
    """The part of a `positions.Checkpoint` that a reader needs."""

    position: int = 0
    fan_outs: tuple[Begun, ...] = msgspec.field(default=(), name="sweeps")

    @property
    def reached(self) -> int:
        """See `positions.Checkpoint.reached`."""
        return next((each.position - 1 for each in self.fan_outs if not each.since), self.position)


class _Query(NamedTuple):
    fields: Sequence[Field]
    reads: Sequence[Read]
    weight: int
    reply: asyncio.Future[Reply]


_decode_position = msgspec.json.Decoder(Position).decode


class Batcher:
    """
    The way to one projection in Redis; open while it is entered.

    :param names: what can be asked for.
    :param freshness: is to read again when another generation goes live.
    :param oldest_version: of the projection, whose generations can be read.
    :param lane: what is asked for, in logs.
    :param most_queued: how many times as much as look-ups may wait.
    """

    def __init__(
        self,
        connect: Connect,
        *,
        keys: ProjectionKeys,
        names: Names,
        freshness: Freshness,
        limits: RedisReadLimits,
        oldest_version: int = 1,
        lane: str = "look-ups",
        most_queued: int = 1,
    ) -> None:
        self._connect = connect
        self._limits = limits
        self._lane = lane
        self._most_queued = most_queued * limits.queued_fields
        self._oldest_version = oldest_version
        self._keys = keys
        self._names = names
        self._freshness = freshness
        self._generation: LiveGeneration | None = None
        self._queries: deque[_Query] = deque()
        self._queued = 0
        self._is_failing = False
        self._has_queries = asyncio.Event()
        self._workers = Tasks()

    async def __aenter__(self) -> Self:
        for _ in range(self._limits.trips):
            self._workers.start(self._work(), name=f"batches of {self._lane}")
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._workers.stop_all()
        while self._queries:
            _fail(self._queries.popleft(), Unavailable("The read side is stopping"))

    async def ask(self, *fields: Field, reads: Sequence[Read] = ()) -> Reply:
        """
        Return the values of these fields, in this order, and what is read besides, all from one moment.

        :raises Unavailable: they cannot be read now.
        :raises Overloaded: too many wait.
        """
        weight = len(fields) + sum(read.weight for read in reads) if reads else len(fields)
        if self._queued and self._queued + weight > self._most_queued:
            raise Overloaded("Too many queries are waiting")
        query = _Query(fields, reads, weight, asyncio.get_running_loop().create_future())
        self._queries.append(query)
        self._queued += weight
        self._has_queries.set()
        return await query.reply

    def _take(self) -> Sequence["_Batch"]:
        """Take the batches that travel together next."""
        taken = [queries for _ in range(self._limits.batches) if (queries := self._take_queries())]
        if taken:
            _LOOK_UPS.observe(sum(map(len, taken)))
        return list(map(_Batch, taken))

    def _take_queries(self) -> Sequence[_Query]:
        """Take the queries that the next batch carries; those whose caller has gone are dropped."""
        taken: list[_Query] = []
        room = self._limits.fields
        while self._queries and (not taken or self._queries[0].weight <= room):
            query = self._queries.popleft()
            self._queued -= query.weight
            if not query.reply.done():
                room -= query.weight
                taken.append(query)
        if not self._queries:
            self._has_queries.clear()
        return taken

    async def _work(self) -> None:
        connection = self._connect()
        try:
            while True:
                await self._has_queries.wait()
                if batches := self._take():
                    await self._send(batches, connection)
        finally:
            await connection.disconnect()

    async def _send(self, batches: Sequence["_Batch"], connection: PipelinedConnection) -> None:
        try:
            await self._exchange_batches(batches, connection)
            self._note_success()
        except Unavailable as error:
            _fail_all(batches, error)
        except asyncio.CancelledError:
            _fail_all(batches, Unavailable("The read side is stopping"))
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, no caller may wait for ever
            await connection.disconnect()
            self._note_failure(error)
            _fail_all(batches, Unavailable(f"Redis does not reply: {type(error).__name__}"))

    def _note_failure(self, error: Exception) -> None:
        """Log an outage once: batches fail by the thousand while it lasts."""
        if not self._is_failing:
            name = self._keys.projection
            log.warning("batches of reads fail", projection=name, lane=self._lane, error=describe(error))
        self._is_failing = True

    def _note_success(self) -> None:
        if self._is_failing:
            log.info("batches of reads succeed again", projection=self._keys.projection, lane=self._lane)
            self._is_failing = False

    async def _exchange_batches(self, batches: Sequence["_Batch"], connection: PipelinedConnection) -> None:
        """Send the batches, and send those again that read a generation which is not live any more."""
        for _ in range(self._limits.switches):
            generation = self._generation or await self._learn(connection)
            replies = await _exchange(connection, batches, generation)
            answered = zip(batches, replies, strict=True)
            batches = [batch for batch, reply in answered if not batch.deliver(reply, generation)]
            if not batches:
                return
            self._follow(replies[-1][0])
        raise Unavailable("The live generation keeps changing")

    async def _learn(self, connection: PipelinedConnection) -> LiveGeneration:
        (pointer,) = await connection.fetch(pack("GET", self._keys.live), replies=1)
        return self._follow(pointer)

    def _follow(self, pointer: bytes | None) -> LiveGeneration:
        """Read the generation the pointer names from now on; all that wait have to look at it."""
        self._generation = None
        if pointer is None:
            raise NeverFilled(f"The read model {self._keys.projection} was not filled yet")
        generation = LiveGeneration(pointer, keys=self._keys, names=self._names)
        if generation.version < self._oldest_version:
            raise Unavailable(
                f"The read model {self._keys.projection} was made by version {generation.version}, which this release"
                " does not read: rebuild it"
            )
        self._generation = generation
        self._freshness.read_again()
        return generation


class _Batch:
    """Queries that travel together; what several ask for travels once."""

    def __init__(self, queries: Sequence[_Query]) -> None:
        self.fields: dict[str, dict[bytes, int]] = {}
        self.reads: dict[Read, int] = {}
        self._queries = queries
        for fields, reads, _, _ in queries:
            for name, field in fields:
                places = self.fields.setdefault(name, {})
                places.setdefault(field, len(places))
            for read in reads:
                self.reads.setdefault(read, len(self.reads))

    @property
    def replies(self) -> int:
        """How many replies its transaction has: to MULTI, to each of its commands, and to EXEC."""
        return len(self.fields) + len(self.reads) + 4

    def deliver(self, replies: Sequence[Any], generation: LiveGeneration) -> bool:
        """
        Give each caller its part; return whether the generation was live.

        :param replies: the pointer, the checkpoint, then those of `fields`, then those of `reads`.
        """
        pointer, checkpoint, *results = replies
        if pointer != generation.pointer:
            return False
        position, hashes = _position(checkpoint, generation), dict(zip(self.fields, results, strict=False))
        others = results[len(self.fields) :]
        for fields, reads, _, reply in self._queries:
            if not reply.done():
                own = [hashes[name][self.fields[name][field]] for name, field in fields]
                read_besides = [others[self.reads[read]] for read in reads] if reads else ()
                reply.set_result(Reply(generation.name, position, checkpoint, own, read_besides))
        return True

    def fail(self, error: Unavailable) -> None:
        for query in self._queries:
            _fail(query, error)


async def _exchange(
    connection: PipelinedConnection, batches: Sequence[_Batch], generation: LiveGeneration
) -> Sequence[list[Any]]:
    """Send transactions in one go, and return what the commands of each answered, checked one by one."""
    packed = b"".join([generation.packed(batch.fields, batch.reads) for batch in batches])
    ends = list(accumulate(batch.replies for batch in batches))
    replies = await connection.fetch(packed, replies=ends[-1])
    executed = [list(replies[end - 1]) for end in ends]
    for reply in chain.from_iterable(executed):
        if isinstance(reply, ResponseError):
            raise reply
    return executed


def _position(checkpoint: bytes | None, generation: LiveGeneration) -> int:
    if checkpoint is None:
        raise NeverFilled(f"The generation {generation.name} has lost its checkpoint")
    return _decode_position(checkpoint).reached


def _fail_all(batches: Sequence[_Batch], error: Unavailable) -> None:
    for batch in batches:
        batch.fail(error)


def _fail(query: _Query, error: Unavailable) -> None:
    if not query.reply.done():
        # An exception of its own for each: a traceback grows where it is raised.
        query.reply.set_exception(type(error)(str(error)))
