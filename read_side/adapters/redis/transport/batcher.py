"""
Many questions, few trips.

All that is asked in one turn of the event loop travels together, in one transaction with the pointer and the
checkpoint. While a few trips are under way the next questions gather.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Any, NamedTuple, Self

import msgspec
import structlog
from prometheus_client import Histogram
from redis.exceptions import ResponseError

from read_side.adapters.redis.transport.generation import Generation, Names
from read_side.adapters.redis.transport.reads import Field, Read
from read_side.freshness import Freshness
from read_side.views import NeverFilled
from shared.errors import Overloaded, Unavailable
from shared.read_model.keys import ProjectionKeys
from shared.redis.client import Connect, describe
from shared.redis.pipelined import PipelinedConnection, pack
from shared.runtime.tasks import Tasks

AT_ONCE = 2
"""Batcher under way; one is being read while Redis works on the other."""

FIELDS = 500
"""What one trip carries, fields and entries, so that no writer waits long for it; a question of more travels alone."""

QUEUED_FIELDS = 20_000
"""What may wait; more could not be answered in any reasonable time."""

SWITCHES = 3
"""How often one trip follows a pointer that moves."""

_LOOK_UPS = Histogram(
    "muster_read_trip_look_ups", "Look-ups that shared one trip to Redis.", buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256)
)

log = structlog.get_logger()


class Reply(NamedTuple):
    """
    What one question was answered: everything as it was when `generation` stood at `position`.

    :param values: of the fields wanted.
    :param replies: to the further reads.
    """

    generation: str
    position: int
    values: Sequence[bytes | None]
    replies: Sequence[Any] = ()


class Begun(msgspec.Struct, frozen=True):
    """What a reader needs of a `positions.FanOutProgress`."""

    position: int
    since: int = 0


class Position(msgspec.Struct, frozen=True):
    """What a reader needs of a `positions.Checkpoint`."""

    position: int = 0
    fan_outs: tuple[Begun, ...] = msgspec.field(default=(), name="sweeps")

    @property
    def reached(self) -> int:
        """See `positions.Checkpoint.reached`."""
        return next((each.position - 1 for each in self.fan_outs if not each.since), self.position)


class _Query(NamedTuple):
    wants: Sequence[Field]
    reads: Sequence[Read]
    weight: int
    answer: asyncio.Future[Reply]


_decode_position = msgspec.json.Decoder(Position).decode


class Batcher:
    """
    The way to one projection in Redis; open while it is entered.

    :param names: what can be asked for.
    :param freshness: told when another generation goes live.
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
        lane: str = "look-ups",
        most_queued: int = 1,
    ) -> None:
        self._connect = connect
        self._lane = lane
        self._most_queued = most_queued
        self._keys = keys
        self._names = names
        self._freshness = freshness
        self._generation: Generation | None = None
        self._questions: deque[_Query] = deque()
        self._queued = 0
        self._is_failing = False
        self._list_query = asyncio.Event()
        self._workers = Tasks()

    async def __aenter__(self) -> Self:
        for _ in range(AT_ONCE):
            self._workers.start(self._work(), name=f"batches of {self._lane}")
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._workers.stop_all()
        while self._questions:
            _fail(self._questions.popleft(), Unavailable("The read side is stopping"))

    async def ask(self, *wants: Field, reads: Sequence[Read] = ()) -> Reply:
        """
        Return the values of these fields, in this order, and what is read besides, all from one moment.

        :raises Unavailable: they cannot be read now.
        :raises Overloaded: too many wait.
        """
        weight = len(wants) + sum(read.weight for read in reads) if reads else len(wants)
        if self._queued and self._queued + weight > QUEUED_FIELDS * self._most_queued:
            raise Overloaded("Too many questions are waiting")
        question = _Query(wants, reads, weight, asyncio.get_running_loop().create_future())
        self._questions.append(question)
        self._queued += weight
        self._list_query.set()
        return await question.answer

    def _take(self) -> Sequence[_Query]:
        """Take the questions that the next trip carries; those whose asker has gone are dropped."""
        taken: list[_Query] = []
        room = FIELDS
        while self._questions and (not taken or self._questions[0].weight <= room):
            question = self._questions.popleft()
            self._queued -= question.weight
            if not question.answer.done():
                room -= question.weight
                taken.append(question)
        if not self._questions:
            self._list_query.clear()
        return taken

    async def _work(self) -> None:
        connection = self._connect()
        try:
            while True:
                await self._list_query.wait()
                if questions := self._take():
                    await self._answer(questions, connection)
        finally:
            await connection.disconnect()

    async def _answer(self, questions: Sequence[_Query], connection: PipelinedConnection) -> None:
        try:
            await self._travel(questions, connection)
            self._note_success()
        except Unavailable as error:
            _fail_all(questions, error)
        except asyncio.CancelledError:
            _fail_all(questions, Unavailable("The read side is stopping"))
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, those who asked must not wait for ever
            await connection.disconnect()
            self._note_failure(error)
            _fail_all(questions, Unavailable(f"Redis does not answer: {type(error).__name__}"))

    def _note_failure(self, error: Exception) -> None:
        """Log an outage once: trips fail by the thousand while it lasts."""
        if not self._is_failing:
            log.warning("trips to Redis fail", projection=self._keys.projection, lane=self._lane, error=describe(error))
        self._is_failing = True

    def _note_success(self) -> None:
        if self._is_failing:
            log.info("trips to Redis succeed again", projection=self._keys.projection, lane=self._lane)
            self._is_failing = False

    async def _travel(self, questions: Sequence[_Query], connection: PipelinedConnection) -> None:
        """Make the trip, and make it again when the generation it read is not live any more."""
        load = _Batch(questions)
        for _ in range(SWITCHES):
            generation = self._generation or await self._learn(connection)
            packed = generation.packed(load.fields, load.reads)
            pointer, checkpoint, *answers = await _exchange(connection, packed, commands=load.commands)
            if pointer == generation.pointer:
                load.deliver(generation.name, _position(checkpoint, generation), answers)
                return
            self._follow(pointer)
        raise Unavailable("The live generation keeps changing")

    async def _learn(self, connection: PipelinedConnection) -> Generation:
        (pointer,) = await connection.fetch(pack("GET", self._keys.live), replies=1)
        return self._follow(pointer)

    def _follow(self, pointer: bytes | None) -> Generation:
        """Read the generation the pointer names from now on; all that wait have to look at it."""
        self._generation = None
        if pointer is None:
            raise NeverFilled(f"The read model {self._keys.projection} was not filled yet")
        self._generation = Generation(pointer, keys=self._keys, names=self._names)
        self._freshness.read_again()
        return self._generation


class _Batch:
    """What one trip carries; what several ask for travels once."""

    def __init__(self, questions: Sequence[_Query]) -> None:
        self.fields: dict[str, dict[bytes, int]] = {}
        self.reads: dict[Read, int] = {}
        self._questions = questions
        for wants, reads, _, _ in questions:
            for name, field in wants:
                places = self.fields.setdefault(name, {})
                places.setdefault(field, len(places))
            for read in reads:
                self.reads.setdefault(read, len(self.reads))
        _LOOK_UPS.observe(len(questions))

    @property
    def commands(self) -> int:
        """How many commands ask for it."""
        return len(self.fields) + len(self.reads)

    def deliver(self, generation: str, position: int, answers: Sequence[Any]) -> None:
        """
        Give each caller its part.

        :param answers: first those of `fields`, then those of `reads`.
        """
        found = dict(zip(self.fields, answers, strict=False))
        replies = answers[len(self.fields) :]
        for wants, reads, _, answer in self._questions:
            if not answer.done():
                own = [found[name][self.fields[name][field]] for name, field in wants]
                others = [replies[self.reads[read]] for read in reads] if reads else ()
                answer.set_result(Reply(generation, position, own, others))


async def _exchange(connection: PipelinedConnection, packed: bytes, *, commands: int) -> list[Any]:
    """Send one packed transaction and return what its commands answered, checked one by one."""
    *_, answers = await connection.fetch(packed, replies=commands + 4)
    for answer in answers:
        if isinstance(answer, ResponseError):
            raise answer
    return list(answers)


def _position(checkpoint: bytes | None, generation: Generation) -> int:
    if checkpoint is None:
        raise NeverFilled(f"The generation {generation.name} has lost its checkpoint")
    return _decode_position(checkpoint).reached


def _fail_all(questions: Sequence[_Query], error: Unavailable) -> None:
    for question in questions:
        _fail(question, error)


def _fail(question: _Query, error: Unavailable) -> None:
    if not question.answer.done():
        # An exception of its own for everyone: a traceback grows where it is raised.
        question.answer.set_exception(type(error)(str(error)))
