"""Carries out a command exactly once, however often it is asked for."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from weakref import WeakValueDictionary

import stamina

from shared.clock import Clock
from shared.errors import Unavailable
from write_side.domain.errors import Contention, OutcomeUnknown, StaleAggregate
from write_side.execution.admission import Admission
from write_side.execution.metrics import RETRIES
from write_side.ports import AlreadyDone, Answer, CommandContext, Ids, Outcome, UnitsOfWork
from write_side.use_cases import Command, UseCase

ATTEMPTS = 5
PATIENCE_SECONDS = 10.0
RETRIED = (StaleAggregate, Contention, Unavailable)
"""After these nothing was stored, and another attempt may succeed."""


class CommandRunner:
    """
    Runs use cases under their idempotency keys.

    What another attempt may settle (a stale aggregate, a deadlock, a connection lost before COMMIT) is tried again from
    the start. Once COMMIT may have been sent, nothing is done but asking the key for the outcome.
    """

    def __init__(self, *, units: UnitsOfWork, clock: Clock, ids: Ids, admission: Admission | None = None) -> None:
        self._units = units
        self._ports = {"clock": clock, "ids": ids}
        self._flights = SingleFlight()
        self._admission = admission or Admission()

    async def run(self, use_case: UseCase, command: Command, context: CommandContext) -> Answer:
        """
        Carry the command out, or say what became of it before.

        :raises Overloaded: too many are under way; this one was not begun.
        :raises Exception: what the use case and its ports raise; nothing was stored, unless `OutcomeUnknown`.
        """
        # Whoever waits for another command under his key takes nobody's turn.
        alone = self._flights.alone(context.subject, context.key)
        async with self._admission.taken_on(), alone, self._admission.turn():
            return await self._answer(use_case, command, context)

    async def _answer(self, use_case: UseCase, command: Command, context: CommandContext) -> Answer:
        try:
            return Answer(await self._attempts(use_case, command, context), replayed=False)
        except AlreadyDone as done:
            return Answer(done.outcome, replayed=True)
        except OutcomeUnknown:
            return Answer(await self._settled(context), replayed=False)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is raised again unless the key has an outcome
            # Whoever ran under the same key elsewhere may have won meanwhile: his success is our answer.
            return Answer(await self._won_elsewhere(context, error), replayed=True)

    async def _attempts(self, use_case: UseCase, command: Command, context: CommandContext) -> Outcome:
        ports = {name: port for name, port in self._ports.items() if name in use_case.ports}
        async for attempt in _retried():
            with attempt:
                if attempt.num > 1:
                    RETRIES.labels(use_case.name).inc()
                return await use_case.run(command, uow=self._units.under(context), **ports)
        raise AssertionError("the last attempt returns or raises")

    async def _settled(self, context: CommandContext) -> Outcome:
        """
        What became of a COMMIT whose answer was lost.

        :raises Unavailable: it did not take effect.
        :raises OutcomeUnknown: it cannot be told.
        """
        try:
            outcome = await self._asked(context)
        except RETRIED as error:
            raise OutcomeUnknown(str(error)) from error
        if outcome is None:
            raise Unavailable("the connection was lost and nothing was stored")
        return outcome

    async def _asked(self, context: CommandContext) -> Outcome | None:
        async for attempt in _retried():
            with attempt:
                return await self._units.outcome_of(context)
        raise AssertionError("the last attempt returns or raises")

    async def _won_elsewhere(self, context: CommandContext, error: Exception) -> Outcome:
        """The outcome that another request under the caller's key reached, else the error."""
        if not context.key_was_sent:
            raise error
        try:
            outcome = await self._units.outcome_of(context)
        except RETRIED:
            outcome = None
        if outcome is None:
            raise error
        return outcome


def _retried() -> AsyncIterator[stamina.Attempt]:
    return stamina.retry_context(
        on=RETRIED, attempts=ATTEMPTS, timeout=PATIENCE_SECONDS, wait_initial=0.02, wait_max=0.5, wait_jitter=0.05
    )


class SingleFlight:
    """Lets one caller at a time through per key, in this process."""

    def __init__(self) -> None:
        self._locks: WeakValueDictionary[tuple[str, ...], asyncio.Lock] = WeakValueDictionary()

    @asynccontextmanager
    async def alone(self, *key: str) -> AsyncIterator[None]:
        lock = self._locks.setdefault(key, asyncio.Lock())
        async with lock:
            yield
