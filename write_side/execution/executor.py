"""Carries out a command exactly once, however often it is asked for."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from itertools import count
from typing import TypeVar
from weakref import WeakValueDictionary

import msgspec
import stamina
from prometheus_client import Counter

from shared.clock import Clock
from shared.errors import Unavailable
from shared.ids import Ids
from shared.observability.tracing import traceparent
from write_side.domain.errors import Contention, OutcomeUnknown, StaleAggregate
from write_side.execution.admission import Admission
from write_side.execution.invocation import Invocation
from write_side.execution.limits import ExecutionLimits
from write_side.execution.observation import Observation, observed
from write_side.execution.refusals import REFUSED, refusal_of
from write_side.ports import (
    AlreadyDone,
    Answer,
    CommandContext,
    NotYet,
    Outcome,
    RunAgain,
    TokenKey,
    UnitOfWork,
    UnitsOfWork,
)
from write_side.use_cases.use_case import Run

T = TypeVar("T")

_RETRIES = Counter(
    "muster_command_retries_total",
    "Units of work that were begun anew, because another attempt could settle what the last one met.",
    ("command",),
)
_RETRIED = (StaleAggregate, Contention, Unavailable)
"""After these nothing was stored, and another attempt may succeed."""

_canonical = msgspec.json.Encoder(enc_hook=str, order="deterministic").encode


class CommandExecutor:
    """
    Runs use cases under their idempotency keys.

    What another attempt may settle (a stale aggregate, a deadlock, a connection lost before COMMIT) is tried again from
    the start. Once COMMIT may have been sent, nothing is done but asking the key for the outcome.
    """

    def __init__(
        self, *, units: UnitsOfWork, clock: Clock, ids: Ids, token_key: TokenKey, limits: ExecutionLimits
    ) -> None:
        self._units = units
        self._ids = ids
        self._ports = {"clock": clock, "ids": ids, "token_key": token_key}
        self._limits = limits
        self._keep = timedelta(seconds=limits.keep_seconds)
        self._keep_bulk = timedelta(seconds=limits.keep_bulk_seconds)
        self._claims = count(secrets.randbits(62))
        self._flights = SingleFlight()
        self._admission = Admission(limits)

    async def execute(self, invocation: Invocation, observation: Observation | None = None) -> Answer:
        """
        Carry the command out, or say what became of it before.

        :param observation: of the message that the command was read from; without one it begins here.
        :raises Refusal: nothing was stored, unless its problem is `outcome-unknown`.
        :raises NotYet: as `Window` says.
        """
        if observation is None:
            with observed(invocation.channel, traceparent=invocation.traceparent) as begun:
                return await self.execute(invocation, begun)
        observation.is_of(invocation.use_case)
        try:
            answer = await self._admitted(invocation, self._context(invocation))
        except REFUSED as error:
            raise refusal_of(error) from error
        observation.answered(answer)
        return answer

    def _context(self, invocation: Invocation) -> CommandContext:
        """Return what the ports know of the command; its span is current."""
        return CommandContext(
            command=invocation.use_case.name,
            subject=invocation.principal.subject,
            token_id=invocation.principal.token_id,
            key=invocation.key or self._ids.new().hex,
            key_was_sent=invocation.key is not None,
            content=_canonical(invocation.command),
            claim=next(self._claims),
            keep_for=self._keep_bulk if invocation.channel.is_bulk else self._keep,
            correlation=invocation.correlation,
            expected_version=invocation.expected_version,
            traceparent=traceparent(),
            place=invocation.place,
            mail=invocation.mail,
        )

    async def _admitted(self, invocation: Invocation, context: CommandContext) -> Answer:
        # What waits for another command under the same key holds no permit.
        alone = self._flights.alone(context.subject, context.key)
        if context.place is not None and context.place.number > context.place.window.next:
            async with alone:  # it goes along with the first of its window, which has a permit
                return await self._behind_others(invocation, context)
        async with self._admission.in_flight(), alone, self._admission.permit():
            return await self._answer(invocation, context)

    async def _behind_others(self, invocation: Invocation, context: CommandContext) -> Answer:
        """:raises NotYet: it was not stored together with those before it in its window."""
        if not self._units.keep_order:
            raise NotYet
        try:
            outcome = await self._use_case(invocation)(uow=self._units.under(context))
        except AlreadyDone as done:
            return done.answer
        except OutcomeUnknown:
            return await self._settled(context)
        except Exception as error:
            raise NotYet from error
        return Answer(outcome, replayed=False)

    async def _answer(self, invocation: Invocation, context: CommandContext) -> Answer:
        try:
            return Answer(await self._attempts(invocation, context), replayed=False)
        except AlreadyDone as done:
            return done.answer
        except OutcomeUnknown:
            return await self._settled(context)
        except Exception:
            # The same request may have won elsewhere meanwhile: that success is the answer to this one.
            if (answer := await self._won_elsewhere(context)) is None:
                raise
            return answer

    async def _attempts(self, invocation: Invocation, context: CommandContext) -> Outcome:
        work = partial(self._run, self._use_case(invocation), context)
        return await self._retried(work, before_another=lambda: _RETRIES.labels(context.command).inc())

    def _use_case(self, invocation: Invocation) -> Run:
        """Return the use case with its command and its ports, but for the unit of work."""
        use_case = invocation.use_case
        ports = {name: port for name, port in self._ports.items() if name in use_case.ports}
        return partial(use_case.run, invocation.command, **ports)

    async def _run(self, use_case: Run, context: CommandContext) -> Outcome:
        """Run it under one unit of work after the other, until one takes it to its end."""
        under: Callable[[CommandContext], UnitOfWork] = self._units.under
        while True:
            try:
                return await use_case(uow=under(context))
            except RunAgain as again:
                under = again.under

    async def _settled(self, context: CommandContext) -> Answer:
        """
        Ask what became of a COMMIT whose answer was lost.

        :raises Unavailable: it did not take effect.
        :raises OutcomeUnknown: it cannot be asked for.
        """
        try:
            answer = await self._retried(partial(self._units.answer_to, context))
        except _RETRIED as error:
            raise OutcomeUnknown(str(error)) from error
        if answer is None:
            raise Unavailable("the connection was lost and nothing was stored")
        return answer

    async def _won_elsewhere(self, context: CommandContext) -> Answer | None:
        """Return what another request under the caller's key has done, if one did."""
        if not context.key_was_sent:
            return None
        try:
            return await self._units.answer_to(context)
        except _RETRIED:
            return None

    async def _retried(
        self, work: Callable[[], Awaitable[T]], *, before_another: Callable[[], None] = lambda: None
    ) -> T:
        """Do some work; stamina takes a failure for that of its first attempt, and costs what succeeds nothing."""
        try:
            return await work()
        except _RETRIED as error:
            failed = error
        async for attempt in stamina.retry_context(
            on=_RETRIED,
            attempts=self._limits.attempts,
            timeout=self._limits.retry_seconds,
            wait_initial=0.02,
            wait_max=0.5,
            wait_jitter=0.05,
        ):
            with attempt:
                if attempt.num == 1:
                    raise failed
                before_another()
                return await work()
        raise AssertionError("the last attempt returns or raises")


class SingleFlight:
    """Lets one caller at a time through per key, in this process."""

    def __init__(self) -> None:
        self._locks: WeakValueDictionary[tuple[str, ...], asyncio.Lock] = WeakValueDictionary()

    @asynccontextmanager
    async def alone(self, *key: str) -> AsyncIterator[None]:
        lock = self._locks.setdefault(key, asyncio.Lock())
        async with lock:
            yield
