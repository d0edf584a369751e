"""Carries out the commands of one shard, strictly in order."""

import asyncio
from collections.abc import Sequence
from contextlib import aclosing, suppress
from http import HTTPStatus

import structlog
from prometheus_client import Counter

from shared.auth.principal import Principal
from shared.errors import Unavailable
from shared.observability.logging import log_defect
from shared.problems import INTERNAL_ERROR, Refusal
from shared.runtime.retry import Backoff, RetryPolicy, repeat
from write_side.bus.entries import KILLS_CONSUMERS, Message, Poison, SettledMessage, settled
from write_side.bus.limits import BusLimits
from write_side.bus.stream import ShardStream
from write_side.execution.endings import Ending
from write_side.execution.executor import CommandExecutor
from write_side.execution.in_order import InOrder
from write_side.execution.invocation import Channel, Invocation
from write_side.execution.messages import read_message
from write_side.execution.observation import Observation, observed
from write_side.ports import NotYet, Place, ShardLocks

CHANNEL = Channel("bus", is_bulk=True)

log = structlog.get_logger()
_SETTLED = Counter(
    "muster_bus_messages_total",
    "Messages of the bus that were answered: applied, replayed, refused or poison.",
    ("ending",),
)
for _ending in ("applied", "replayed", "refused", "poison"):
    _SETTLED.labels(_ending)


class ShardConsumer:
    """
    Carries out the messages of a shard whose lock this process has.

    What cannot be carried out for now holds up all behind it. A refusal is answered before anything behind it takes
    effect: it is kept nowhere else, and a consumer that comes after might carry out what was refused before.

    :param principal: on whose behalf all messages are carried out.
    """

    def __init__(
        self,
        *,
        stream: ShardStream,
        locks: ShardLocks,
        executor: CommandExecutor,
        principal: Principal,
        limits: BusLimits,
    ) -> None:
        self._stream = stream
        self._locks = locks
        self._executor = executor
        self._principal = principal
        self._deaths = limits.deaths
        self._in_order = InOrder(self._ending)
        self._pauses = Backoff(RetryPolicy(first=limits.first_retry, longest=limits.longest_retry))
        self._is_open = False

    async def run(self) -> None:
        """Carry out what comes, until cancelled."""
        await repeat(self._turn, after_error=self._pause_after)

    async def _turn(self) -> None:
        if not self._is_open:
            await self._stream.open()
            self._is_open = True
        await self._locks.require()
        if messages := await self._stream.take():
            await self._survive(messages)
        else:
            await self._stream.wait()
        self._pauses.reset()

    def _pause_after(self, error: Exception) -> float:
        self._is_open = False  # a server that lost its data has lost the consumer group too
        if isinstance(error, Unavailable):
            log.warning("a shard of the bus is held up", error=str(error))
        else:
            log_defect(error)
        return self._pauses.next()

    async def _survive(self, messages: Sequence[Message]) -> None:
        """Carry out messages; one that is held up, or given up to another consumer in peace, has killed none."""
        try:
            await self._carry_out_some(messages)
        except (Unavailable, asyncio.CancelledError):
            with suppress(Unavailable):
                await self._stream.survive()
            raise

    async def _carry_out_some(self, messages: Sequence[Message]) -> None:
        """
        Carry out messages up to the first that is refused; those behind it are taken again.

        :raises Unavailable: the next one cannot be carried out for now.
        """
        done, held_up = await self._settled(messages)
        if done:
            await self._stream.settle(done)
        for each in done:
            _SETTLED.labels(each.kind).inc()
        if held_up is not None:
            raise Unavailable(held_up.problem.name)

    async def _settled(self, messages: Sequence[Message]) -> tuple[Sequence[SettledMessage], Refusal | None]:
        """Return what is done, and what the message behind that met if it may pass."""
        done: list[SettledMessage] = []
        async with aclosing(self._in_order.begin(messages)) as endings:
            async for ending in endings:
                if isinstance(ending, Refusal) and _may_pass(ending):
                    return done, ending
                done.append(settled(messages[len(done)], ending))
                if isinstance(ending, Refusal):
                    break
        return done, None

    async def _ending(self, message: Message, place: Place) -> Ending:
        """:raises NotYet: those before it have to be settled first."""
        if message.deaths >= self._deaths:
            log.error("a message of the bus is tried no more", message=message.key, deaths=message.deaths)
            return Poison(Refusal(KILLS_CONSUMERS, "Consumers ended over the message"))
        try:
            with observed(CHANNEL, traceparent=message.traceparent) as observation:
                invocation = self._read_in_turn(message, place, observation)
                return await self._executor.execute(invocation, observation)
        except NotYet:
            raise
        except Refusal as refusal:
            return refusal
        except Exception as defect:  # noqa: BLE001 - as for any other command; the messages behind it go on
            log_defect(defect, message=message.key)
            return Poison(Refusal(INTERNAL_ERROR, "The message failed; nothing more is said here"))

    def _read_in_turn(self, message: Message, place: Place, observation: Observation) -> Invocation:
        """:raises NotYet: it will be refused, and counted, once those before it are settled."""
        try:
            use_case, command, key, expected_version = read_message(message.body, note=observation.is_of)
        except Refusal as refusal:
            if place.number > place.window.next:
                raise NotYet from refusal
            raise Poison(refusal) from refusal
        return Invocation(
            use_case=use_case,
            command=command,
            principal=self._principal,
            channel=CHANNEL,
            key=key or message.key,
            expected_version=expected_version,
            traceparent=message.traceparent,
            correlation=message.key,
            place=place,
        )


def _may_pass(refusal: Refusal) -> bool:
    return refusal.problem.status == HTTPStatus.SERVICE_UNAVAILABLE
