"""The loop of `muster react`: one process leads, and all others wait to take its place."""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial

import structlog
from prometheus_client import Gauge

from shared.errors import Unavailable, Unsound
from shared.event_log import EventLog, EventReader
from shared.runtime.retry import poll, repeat
from shared.runtime.tasks import side_by_side
from write_side.ports import Deliveries, DeliverySession, LeadLost
from write_side.reactions.deliverer import Deliverer
from write_side.reactions.limits import REACTION_LIMITS, ReactionLimits
from write_side.reactions.reaction import Reaction, World
from write_side.reactions.scheduler import Scheduler

_gauge = partial(Gauge, multiprocess_mode="livesum")
_LEADS = _gauge("muster_reactions_leading", "1 in the process that schedules and delivers, 0 in those that stand by.")
_KEPT = _gauge("muster_deliveries", "Deliveries there are, as the process that leads knows them.", ("state",))
_LAG = _gauge("muster_reactions_lag_events", "Positions of the log for which nothing is scheduled yet.")

_TEMPORARY = (Unavailable, Unsound, LeadLost)

Companion = Callable[[], Awaitable[None]]
"""What runs until it is cancelled, or meets an error."""

MakeWorld = Callable[[DeliverySession], World]

log = structlog.get_logger()


class NotReacting(Exception):
    """Neither leads this process, nor does it wait to; the text says why."""


class Reactor:
    def __init__(
        self,
        *,
        log: EventLog,
        deliveries: Deliveries,
        reactions: Sequence[Reaction],
        world: MakeWorld,
        companions: Sequence[Companion] = (),
        limits: ReactionLimits = REACTION_LIMITS,
    ) -> None:
        """
        :param world: makes what reactions are carried out with, on a session.
        :param companions: what runs besides, wherever this process leads.
        """
        self._log = log
        self._deliveries = deliveries
        self._reactions = reactions
        self._world = world
        self._companions = companions
        self._limits = limits
        self._error: Exception | None = None
        self._leading: tuple[DeliverySession, EventReader] | None = None

    async def run(self) -> None:
        """Schedule and deliver whenever no other process does, until cancelled."""
        await repeat(self._turn, after_error=self._later)

    def require_reacting(self) -> None:
        """:raises NotReacting: the last attempt has failed."""
        if self._error is not None:
            raise NotReacting(f"{type(self._error).__name__}: {self._error}")

    async def refresh(self) -> None:
        """Set the gauges, where this process leads."""
        _LEADS.set(self._leading is not None)
        if self._leading is None:
            return
        session, reader = self._leading
        counts = await session.counts()
        _KEPT.labels("waiting").set(counts.waiting)
        _KEPT.labels("given up").set(counts.given_up)
        _LAG.set(await reader.head() - await session.checkpoint())

    async def _turn(self) -> None:
        async with self._deliveries.connect() as session:
            self._error = None
            await poll(self._limits.again_seconds).until(bool, session.try_to_lead)
            async with self._log.connect() as reader:
                log.info("this process schedules and delivers")
                self._leading = (session, reader)
                try:
                    await self._lead(session, reader)
                finally:
                    self._leading = None

    async def _lead(self, session: DeliverySession, reader: EventReader) -> None:
        scheduler = Scheduler(session, reader, self._reactions, limits=self._limits)
        deliverer = Deliverer(self._world(session), self._reactions, limits=self._limits)
        loops: list[Companion] = [scheduler.run, partial(deliverer.run, scheduler.scheduled), *self._companions]
        await side_by_side(loops, at_once=len(loops))

    def _later(self, error: Exception) -> float:
        if not isinstance(error, _TEMPORARY):
            raise error
        if type(error) is not type(self._error):
            log.warning("nothing is scheduled and delivered here", error=f"{type(error).__name__}: {error}")
        self._error = error
        return self._limits.again_seconds
