"""
Many queries, few trips.

All that is asked in one turn of the event loop travels together, in batches: each is one transaction for each partition
that is asked, which reads its pointer and its checkpoint too. While a few trips are under way the next queries gather.
"""

import asyncio
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, Self

import msgspec
import structlog
from prometheus_client import Histogram
from redis.exceptions import ResponseError

from read_side.adapters.redis.limits import RedisReadLimits
from read_side.adapters.redis.transport.generation import LiveGeneration, Partition
from read_side.adapters.redis.transport.reads import Field, Read
from read_side.views import NeverFilled
from shared.errors import Overloaded, Unavailable
from shared.redis.client import Connect, describe
from shared.redis.pipelined import PipelinedConnection, pack
from shared.runtime.cancellation import is_cancelled
from shared.runtime.tasks import Tasks

_LOOK_UPS = Histogram(
    "muster_read_trip_look_ups", "Look-ups that shared one trip to Redis.", buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256)
)

log = structlog.get_logger()
_STOPPING = "The read side is stopping"


class Seen(NamedTuple):
    """
    How one transaction found a partition.

    :param checkpoint: as it is stored: where two are equal, nothing of the generation was written in between.
    """

    partition: Partition
    generation: str
    version: int
    position: int
    checkpoint: bytes


class Reply(NamedTuple):
    """
    The answer to one query.

    :param position: the least of those that were seen.
    :param values: of the fields asked for.
    :param results: of the further reads.
    :param seen: each transaction that took part; what it read is as it was at its position.
    """

    position: int
    values: Sequence[bytes | None]
    results: Sequence[Any]
    seen: Sequence[Seen]


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
    partition: Partition
    fields: Sequence[Field]
    reads: Sequence[Read]
    weight: int
    reply: asyncio.Future[Reply]


_decode_position = msgspec.json.Decoder(Position).decode


class Batcher:
    """
    The way to the partitions that one server has; open while it is entered.

    :param lane: what is asked for, in logs.
    :param most_queued: how many times as much as look-ups may wait.
    """

    def __init__(
        self,
        connect: Connect,
        *,
        projection: str,
        limits: RedisReadLimits,
        lane: str = "look-ups",
        most_queued: int = 1,
    ) -> None:
        self._connect = connect
        self._limits = limits
        self._projection = projection
        self._lane = lane
        self._most_queued = most_queued * limits.queued_fields
        self._queries: deque[_Query] = deque()
        self._queued = 0
        self._is_failing = self._is_closed = False
        self._has_queries = asyncio.Event()
        self._workers = Tasks()

    async def __aenter__(self) -> Self:
        for _ in range(self._limits.trips):
            self._workers.start(self._work(), name=f"batches of {self._lane}")
        return self

    async def __aexit__(self, *_: object) -> None:
        self._is_closed = True
        await self._workers.stop_all()
        while self._queries:
            _fail(self._queries.popleft(), Unavailable(_STOPPING))

    def ask(self, partition: Partition, *fields: Field, reads: Sequence[Read] = ()) -> asyncio.Future[Reply]:
        """
        Return what will have the values of these fields, in this order, and what is read besides, all from one moment.

        Instead it raises `Unavailable` if they cannot be read now, `Overloaded` if too many wait.
        """
        weight = len(fields) + sum(read.weight for read in reads) if reads else len(fields)
        reply: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        if self._queued and self._queued + weight > self._most_queued:
            reply.set_exception(Overloaded("Too many queries are waiting"))
            return reply
        if self._is_closed:
            reply.set_exception(Unavailable(_STOPPING))
            return reply
        self._queries.append(_Query(partition, fields, reads, weight, reply))
        self._queued += weight
        self._has_queries.set()
        return reply

    def _take(self) -> Sequence["_Transaction"]:
        """Take what travels together next."""
        taken = [queries for _ in range(self._limits.batches) if (queries := self._take_queries())]
        if taken:
            _LOOK_UPS.observe(sum(map(len, taken)))
        return [transaction for queries in taken for transaction in _transactions(queries)]

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
            while not is_cancelled():
                await self._has_queries.wait()
                if transactions := self._take():
                    await self._send(transactions, connection)
        finally:
            await connection.disconnect()

    async def _send(self, transactions: Sequence["_Transaction"], connection: PipelinedConnection) -> None:
        try:
            await self._exchange_all(transactions, connection)
            self._note_success()
        except asyncio.CancelledError:
            _fail_all(transactions, Unavailable(_STOPPING))
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, no caller may wait for ever
            await connection.disconnect()
            self._note_failure(error)
            _fail_all(transactions, Unavailable(f"Redis does not reply: {type(error).__name__}"))

    def _note_failure(self, error: Exception) -> None:
        """Log an outage once: batches fail by the thousand while it lasts."""
        if not self._is_failing:
            log.warning("batches of reads fail", projection=self._projection, lane=self._lane, error=describe(error))
        self._is_failing = True

    def _note_success(self) -> None:
        if self._is_failing:
            log.info("batches of reads succeed again", projection=self._projection, lane=self._lane)
            self._is_failing = False

    async def _exchange_all(self, left: Sequence["_Transaction"], connection: PipelinedConnection) -> None:
        """Send all, and send again what was read of a generation that is not live any more."""
        for _ in range(1 + self._limits.switches):  # the first may only learn what is live
            left = await _exchange(left, connection)
            if not left:
                return
        _fail_all(left, Unavailable("The live generation keeps changing"))


class _Transaction:
    """Queries of one partition that travel together; what several ask for travels once."""

    def __init__(self, partition: Partition, queries: Sequence[_Query]) -> None:
        self._partition, self._queries = partition, queries
        self._generation: LiveGeneration | None = None
        self._fields: dict[str, dict[bytes, int]] = {}
        self._reads: dict[Read, int] = {}
        for _, fields, reads, _, _ in queries:
            for name, field in fields:
                places = self._fields.setdefault(name, {})
                places.setdefault(field, len(places))
            for read in reads:
                self._reads.setdefault(read, len(self._reads))

    def packed(self) -> bytes:
        """Return what is to be sent: the question for the pointer alone, where it is not known what is live."""
        self._generation = self._partition.live
        if self._generation is None:
            return pack("GET", self._partition.keys.live)
        return self._generation.packed(self._fields, self._reads)

    @property
    def replies(self) -> int:
        """How many replies come to what was packed."""
        return 1 if self._generation is None else len(self._fields) + len(self._reads) + 4

    def fail(self, error: Unavailable) -> None:
        for query in self._queries:
            _fail(query, error)

    def settle(self, answer: Any) -> bool:
        """
        Give each caller their part; False if it is to be sent again.

        :param answer: the last of the replies, in which all others are.
        :raises Unavailable: there is nothing to give.
        """
        if (generation := self._generation) is None:
            self._partition.follow(answer)
            return False
        pointer, checkpoint, *results = _checked(answer)
        if pointer != generation.pointer:
            self._partition.follow(pointer)
            return False
        position = _position(checkpoint, generation)
        self._deliver(Seen(self._partition, generation.name, generation.version, position, checkpoint), results)
        return True

    def _deliver(self, seen: Seen, results: Sequence[Any]) -> None:
        """:param results: first those of the fields, then those of the further reads."""
        hashes = dict(zip(self._fields, results, strict=False))
        others, position, all_seen = results[len(self._fields) :], seen.position, (seen,)
        for _, fields, reads, _, reply in self._queries:
            if not reply.done():
                own = [hashes[name][self._fields[name][field]] for name, field in fields]
                read_besides = [others[self._reads[read]] for read in reads] if reads else ()
                reply.set_result(Reply(position, own, read_besides, all_seen))


def _transactions(queries: Iterable[_Query]) -> list[_Transaction]:
    by_partition: dict[Partition, list[_Query]] = {}
    for query in queries:
        by_partition.setdefault(query.partition, []).append(query)
    return [_Transaction(partition, own) for partition, own in by_partition.items()]


async def _exchange(transactions: Sequence[_Transaction], connection: PipelinedConnection) -> list[_Transaction]:
    """Send them in one go, and return those that are to be sent again."""
    packed = b"".join([each.packed() for each in transactions])
    replies = await connection.fetch(packed, replies=sum([each.replies for each in transactions]))
    left: list[_Transaction] = []
    last = -1
    for each in transactions:
        last += each.replies
        try:
            if not each.settle(replies[last]):
                left.append(each)
        except Unavailable as error:
            each.fail(error)
    return left


def _checked(results: Sequence[Any]) -> Sequence[Any]:
    """What the commands of a transaction answered, one by one."""
    for reply in results:
        if isinstance(reply, ResponseError):
            raise reply
    return results


def _position(checkpoint: bytes | None, generation: LiveGeneration) -> int:
    if checkpoint is None:
        raise NeverFilled(f"The generation {generation.name} has lost its checkpoint")
    return _decode_position(checkpoint).reached


def _fail_all(transactions: Iterable[_Transaction], error: Unavailable) -> None:
    for transaction in transactions:
        transaction.fail(error)


def _fail(query: _Query, error: Unavailable) -> None:
    if not query.reply.done():
        # An exception of its own for each: a traceback grows where it is raised.
        query.reply.set_exception(type(error)(str(error)))
