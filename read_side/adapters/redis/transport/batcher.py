"""
Many queries, few batches.

All that is asked in one turn of the event loop travels together, in one transaction with the pointer and the
checkpoint. While a few batches are under way the next queries gather.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
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

    def _take(self) -> Sequence[_Query]:
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
                if queries := self._take():
                    await self._send(queries, connection)
        finally:
            await connection.disconnect()

    async def _send(self, queries: Sequence[_Query], connection: PipelinedConnection) -> None:
        try:
            await self._exchange_batch(queries, connection)
            self._note_success()
        except Unavailable as error:
            _fail_all(queries, error)
        except asyncio.CancelledError:
            _fail_all(queries, Unavailable("The read side is stopping"))
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, no caller may wait for ever
            await connection.disconnect()
            self._note_failure(error)
            _fail_all(queries, Unavailable(f"Redis does not reply: {type(error).__name__}"))

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

    async def _exchange_batch(self, queries: Sequence[_Query], connection: PipelinedConnection) -> None:
        """Send the batch, and send it again when the generation it read is not live any more."""
        batch = _Batch(queries)
        for _ in range(self._limits.switches):
            generation = self._generation or await self._learn(connection)
            packed = generation.packed(batch.fields, batch.reads)
            pointer, checkpoint, *results = await _exchange(connection, packed, commands=batch.commands)
            if pointer == generation.pointer:
                batch.deliver(generation.name, _position(checkpoint, generation), checkpoint, results)
                return
            self._follow(pointer)
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
        _LOOK_UPS.observe(len(queries))

    @property
    def commands(self) -> int:
        """How many commands ask for it."""
        return len(self.fields) + len(self.reads)

    def deliver(self, generation: str, position: int, checkpoint: bytes, results: Sequence[Any]) -> None:
        """
        Give each caller its part.

        :param results: first those of `fields`, then those of `reads`.
        """
        hashes = dict(zip(self.fields, results, strict=False))
        others = results[len(self.fields) :]
        for fields, reads, _, reply in self._queries:
            if not reply.done():
                own = [hashes[name][self.fields[name][field]] for name, field in fields]
                read_besides = [others[self.reads[read]] for read in reads] if reads else ()
                reply.set_result(Reply(generation, position, checkpoint, own, read_besides))


async def _exchange(connection: PipelinedConnection, packed: bytes, *, commands: int) -> list[Any]:
    """Send one packed transaction and return what its commands answered, checked one by one."""
    *_, results = await connection.fetch(packed, replies=commands + 4)
    for reply in results:
        if isinstance(reply, ResponseError):
            raise reply
    return list(results)


def _position(checkpoint: bytes | None, generation: LiveGeneration) -> int:
    if checkpoint is None:
        raise NeverFilled(f"The generation {generation.name} has lost its checkpoint")
    return _decode_position(checkpoint).reached


def _fail_all(queries: Sequence[_Query], error: Unavailable) -> None:
    for query in queries:
        _fail(query, error)


def _fail(query: _Query, error: Unavailable) -> None:
    if not query.reply.done():
        # An exception of its own for each: a traceback grows where it is raised.
        query.reply.set_exception(type(error)(str(error)))
