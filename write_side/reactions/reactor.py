"""The loop of `muster react`: one process leads, and all others wait to take its place."""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import NamedTuple

import structlog
from prometheus_client import Gauge

from shared.errors import Unavailable, Unsound
from shared.event_log import EventLog, EventReader
from shared.observability.logging import log_defect
from shared.runtime.retry import poll, repeat
from shared.runtime.tasks import side_by_side
from write_side.ports import Deliveries, DeliveryCounts, DeliverySession, LeadLost
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


class _Lead(NamedTuple):
    session: DeliverySession
    reader: EventReader
    scheduler: Scheduler


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
        self._defects: set[type[Exception]] = set()
        self._leading: _Lead | None = None

    async def run(self) -> None:
        """Schedule and deliver whenever no other process does, until cancelled."""
        await repeat(self._turn, after_error=self._later)

    def require_reacting(self) -> None:
        """:raises NotReacting: the last attempt has failed, or an event holds up those behind it."""
        error = self._leading.scheduler.held_up if self._leading else self._error
        if error is not None:
            raise NotReacting(_description(error))

    async def refresh(self) -> None:
        """Set the gauges: to 0 where this process does not lead, since another one says it then."""
        _LEADS.set(self._leading is not None)
        counts, lag = DeliveryCounts(waiting=0, given_up=0), 0
        if self._leading is not None:
            session, reader, _ = self._leading
            counts, lag = await session.counts(), await reader.head() - await session.checkpoint()
        _KEPT.labels("waiting").set(counts.waiting)
        _KEPT.labels("given up").set(counts.given_up)
        _LAG.set(lag)

    async def _turn(self) -> None:
        async with self._deliveries.connect() as session:
            self._error = None
            await poll(self._limits.again_seconds).until(bool, session.try_to_lead)
            async with self._log.connect() as reader:
                log.info("this process schedules and delivers")
                scheduler = Scheduler(session, reader, self._reactions, limits=self._limits)
                self._leading = _Lead(session, reader, scheduler)
                try:
                    await self._lead(session, scheduler)
                finally:
                    self._leading = None

    async def _lead(self, session: DeliverySession, scheduler: Scheduler) -> None:
        deliverer = Deliverer(self._world(session), self._reactions, limits=self._limits)
        loops: list[Companion] = [scheduler.run, partial(deliverer.run, scheduler.scheduled), *self._companions]
        await side_by_side(loops, at_once=len(loops))

    def _later(self, error: Exception) -> float:
        before, self._error = self._error, error
        if not isinstance(error, _TEMPORARY):
            return self._after_defect(error)
        if type(error) is not type(before):
            log.warning("nothing is scheduled and delivered here", error=_description(error))
        return self._limits.again_seconds

    def _after_defect(self, error: Exception) -> float:
        if type(error) not in self._defects:
            self._defects.add(type(error))
            log.critical("scheduling and delivering has met a defect", error=type(error).__name__)
            log_defect(error)
        return self._limits.defect_seconds


def _description(error: Exception) -> str:
    """Name an error; the text of a defect may name people."""
    return f"{type(error).__name__}: {error}" if isinstance(error, _TEMPORARY) else type(error).__name__
