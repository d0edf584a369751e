"""The write side with its reactions, in steps that a test takes, and on a clock that it moves."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from uuid import UUID

from shared.event_log import MemoryEventLog
from tests.support.clock import SettableClock
from tests.support.write_side import TOKEN_KEY, WriteSide, postgres_write_side
from write_side.adapters.memory import (
    MemoryDatabase,
    MemoryDeliveries,
    MemoryMailer,
    MemoryTokenKey,
    MemoryUnitsOfWork,
)
from write_side.adapters.postgres.deliveries import PostgresDeliveries
from write_side.ports import Deliveries, Delivery, DeliverySession, Mail
from write_side.reactions.deliverer import Deliverer
from write_side.reactions.limits import REACTION_LIMITS, ReactionLimits
from write_side.reactions.mails.letters import Letters
from write_side.reactions.reaction import CarryOut, Reaction, World
from write_side.reactions.registry import REACTIONS
from write_side.reactions.scheduler import Scheduler

LETTERS = Letters(public_url="https://muster.example", valid_days=7)


@dataclass
class Reacting:
    """A write side, the deliveries that come of it, and the mails."""

    side: WriteSide
    deliveries: Deliveries
    session: DeliverySession
    reactions: Sequence[Reaction] = REACTIONS
    limits: ReactionLimits = REACTION_LIMITS
    mailer: MemoryMailer = field(default_factory=MemoryMailer)

    def world(self, session: DeliverySession) -> World:
        return World(
            session=session,
            mailer=self.mailer,
            letters=LETTERS,
            token_key=MemoryTokenKey(TOKEN_KEY),
            executor=self.side.executor,
            clock=self.side.clock,
        )

    async def schedule(self) -> None:
        """Schedule for all that has happened."""
        async with self.side.log.connect() as reader:
            scheduler = Scheduler(self.session, reader, self.reactions, limits=self.limits)
            await scheduler.catch_up(await self.session.checkpoint())

    async def deliver(self) -> None:
        """Try once what is due."""
        await Deliverer(self.world(self.session), self.reactions, limits=self.limits).settle()

    async def react(self) -> Sequence[Mail]:
        """Schedule and deliver; return all mails that were ever sent."""
        await self.schedule()
        await self.deliver()
        return self.mailer.sent

    async def left(self) -> Sequence[Delivery]:
        return await self.session.all(limit=1_000)

    async def register(self, handle: str = "andre", **fields: object) -> UUID:
        person = {"email": f"{handle}@example.org", "handle": handle, "display_name": handle.title(), **fields}
        return (await self.side.run("register-account", **person)).outcome.id

    def doing(self, carry_out: CarryOut) -> "Reacting":
        """Return the same with another way to carry everything out."""
        return replace(self, reactions=[replace(each, carry_out=carry_out) for each in self.reactions])

    def limited(self, **limits: float) -> "Reacting":
        return replace(self, limits=ReactionLimits(**limits))


@asynccontextmanager
async def reacting_on(kind: str, database_url: str | None) -> AsyncIterator[Reacting]:
    """:param kind: of the adapters: `memory` or `postgres`."""
    if kind == "memory":
        clock, log = SettableClock(), MemoryEventLog()
        database = MemoryDatabase(clock=clock, log=log)
        side = WriteSide(units=MemoryUnitsOfWork(database), log=log, clock=clock)
        deliveries = MemoryDeliveries(database)
        async with deliveries.connect() as session:
            yield Reacting(side, deliveries, session)
        return
    async with postgres_write_side(database_url) as side, PostgresDeliveries(database_url).connect() as session:
        yield Reacting(side, PostgresDeliveries(database_url), session)
