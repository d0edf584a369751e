"""The write side on any of its adapters, as tests talk to it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count
from typing import Any
from uuid import UUID

import msgspec
from svcs import Registry

from shared.auth.principal import Principal
from shared.event_log import EventLog, MemoryEventLog, RecordedEvent
from shared.event_log.adapters.persistent import PersistentEventLog
from shared.event_log.adapters.postgres import PostgresEventLog
from shared.ids import TimeOrderedIds
from shared.problems import Problem, Refusal
from tests.support.clock import SettableClock
from tests.support.patience import SECONDS
from write_side.adapters.memory import MemoryDatabase, MemoryTokenKey, MemoryUnitsOfWork
from write_side.adapters.postgres.command_log import CommandLog
from write_side.adapters.postgres.connections.transactions import (
    TRANSACTION_LIMITS,
    PostgresTransactions,
    TransactionLimits,
    create_engine,
)
from write_side.adapters.postgres.group_commit.unit_of_work import GroupedUnitsOfWork
from write_side.adapters.postgres.unit_of_work import PostgresUnitsOfWork
from write_side.domain.email_token import EmailToken
from write_side.domain.values import EmailAddress, parse_value, plain
from write_side.execution.executor import CommandExecutor
from write_side.execution.invocation import Channel, Invocation
from write_side.execution.limits import ExecutionLimits
from write_side.execution.refusals import problems_of
from write_side.ports import Answer, CommandContext, UnitsOfWork
from write_side.services import register_executor
from write_side.use_cases import USE_CASES

_BY_NAME = {use_case.name: use_case for use_case in USE_CASES}
_numbers = count(1)

SSAF = {"slug": "ssaf", "name": "Senate Committee on Agriculture, Nutrition, and Forestry"}
TOKEN_KEY = bytes(range(32))
PATIENT = ExecutionLimits(permit_seconds=SECONDS)
"""No command of a test is refused because the machine is busy."""
ANDRE = {"email": "andre@example.org", "handle": "andre.carson", "display_name": "André Carson"}


@dataclass(kw_only=True)
class WriteSide:
    """Runs commands given as plain fields."""

    units: UnitsOfWork
    log: EventLog
    clock: SettableClock
    executor: CommandExecutor = field(init=False)

    def __post_init__(self) -> None:
        self.executor = self.another_executor()
        self._kept_log = PersistentEventLog(self.log)

    def another_executor(self) -> CommandExecutor:
        """Make one as another process has it: it shares no single flight with the first."""
        token_key = MemoryTokenKey(TOKEN_KEY)
        return CommandExecutor(
            units=self.units, clock=self.clock, ids=TimeOrderedIds(), token_key=token_key, limits=PATIENT
        )

    async def run(
        self,
        name: str,
        /,
        *,
        key: str | None = None,
        expected: int | None = None,
        by: CommandExecutor | None = None,
        correlation: str = "a-request",
        **fields: Any,
    ) -> Answer:
        """:raises Exception: the error behind a refusal: tests discriminate more than clients."""
        try:
            asked = invocation(name, key=key, expected=expected, correlation=correlation, **fields)
            return await (by or self.executor).execute(asked)
        except Refusal as refusal:
            _require_said(name, refusal.problem)
            raise refusal.__cause__ or refusal from None

    def register_on(self, registry: Registry) -> None:
        """Register what an API needs that stands on this write side."""
        register_executor(
            registry, units=self.units, clock=self.clock, ids=TimeOrderedIds(), token_key=MemoryTokenKey(TOKEN_KEY)
        )

    def token(self, account_id: UUID, email: str, version: int = 1, *, valid: timedelta = timedelta(days=1)) -> str:
        """Make what is mailed to an address that an account has had since one of its versions."""
        until = self.clock.now() + valid
        return str(EmailToken.issue(account_id, EmailAddress.parse(email), version, key=TOKEN_KEY, until=until))

    async def aclose(self) -> None:
        """End the session in which events are read."""
        await self._kept_log.aclose()

    async def events(self) -> list[RecordedEvent]:
        return await self.events_after(0)

    async def events_after(self, position: int) -> list[RecordedEvent]:
        events: list[RecordedEvent] = []
        async with self._kept_log.connect() as reader:
            while read := await reader.read(after=position, limit=10_000):
                events.extend(read)
                position = read[-1].position
        return events


def _require_said(name: str, problem: Problem) -> None:
    """The document of the write API says no more than what use cases say of themselves."""
    assert problem in problems_of(_BY_NAME[name]), f"{name} does not say that it may be refused as {problem.name}"


def invocation(
    name: str,
    /,
    *,
    key: str | None = None,
    subject: str = "tester",
    expected: int | None = None,
    correlation: str = "a-request",
    **fields: Any,
) -> Invocation:
    use_case = _BY_NAME[name]
    return Invocation(
        use_case=use_case,
        command=msgspec.convert(fields, use_case.command, dec_hook=parse_value),
        principal=Principal(subject, frozenset()),
        channel=Channel("test"),
        key=key,
        expected_version=expected,
        correlation=correlation,
    )


def context(name: str, /, *, key: str | None = None, expected: int | None = None, **fields: Any) -> CommandContext:
    """Return what the executor gives to a unit of work."""
    command = invocation(name, **fields).command if fields else {}
    return CommandContext(
        command=name,
        subject="tester",
        key=key or f"made-{next(_numbers)}",
        key_was_sent=key is not None,
        content=msgspec.json.encode(command, enc_hook=plain, order="deterministic"),
        claim=next(_numbers),
        keep_for=timedelta(days=1),
        correlation="a-request",
        expected_version=expected,
    )


def memory_write_side() -> WriteSide:
    clock, log = SettableClock(), MemoryEventLog()
    return WriteSide(units=MemoryUnitsOfWork(MemoryDatabase(clock=clock, log=log)), log=log, clock=clock)


@asynccontextmanager
async def postgres_write_side(
    url: str,
    *,
    limits: TransactionLimits = TRANSACTION_LIMITS,
    grouped: bool = False,
    notify: Callable[[], None] = lambda: None,
) -> AsyncIterator[WriteSide]:
    clock = SettableClock()
    engine = create_engine(url, allow_unsafe=True, limits=limits)
    transactions = PostgresTransactions(engine, limits=limits)
    ports = {"transactions": transactions, "command_log": CommandLog(clock=clock)}
    alone = PostgresUnitsOfWork(**ports, notify=notify)
    units = GroupedUnitsOfWork(**ports, alone=alone) if grouped else alone
    side = WriteSide(units=units, log=PostgresEventLog(url, allow_unsafe=True), clock=clock)
    try:
        yield side
    finally:
        await side.aclose()
        await transactions.close()


async def race(write_side: WriteSide, *racers: Awaitable[Any]) -> list[Any]:
    """Await all at once, and return answers and exceptions. No racer has a start because its connection is open."""
    warm_ups = min(len(racers), TRANSACTION_LIMITS.connections)
    await asyncio.gather(*(write_side.units.answer_to(context("warm-up")) for _ in range(2 * warm_ups)))
    return await asyncio.gather(*racers, return_exceptions=True)


async def register(write_side: WriteSide, *handles: str) -> list[UUID]:
    """Register accounts by nothing but their handles."""
    registered = [
        await write_side.run("register-account", email=f"{handle}@example.org", handle=handle, display_name=handle)
        for handle in handles
    ]
    return [answer.outcome.id for answer in registered]


async def create_groups(write_side: WriteSide, *slugs: str) -> list[UUID]:
    """Create groups by nothing but their slugs."""
    return [(await write_side.run("create-group", slug=slug, name=slug)).outcome.id for slug in slugs]


def register_on(store: MemoryDatabase, registry: Registry, **limits: float) -> None:
    """Register the write side on a store in memory."""
    register_executor(
        registry,
        units=MemoryUnitsOfWork(store),
        clock=store.clock,
        ids=TimeOrderedIds(),
        token_key=MemoryTokenKey(),
        limits=ExecutionLimits(**limits),
    )
