"""How far each projection is, who feeds it, and what holds it up."""

import asyncio
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import datetime

import msgspec

from projector.processing import metrics
from projector.processing.parked_events import Busy, parking_of
from projector.processing.processors import roles
from projector.processing.progress import Progress, Role
from projector.rebuilding.reconciler import Reconciler
from projector.store.collections import collections_of
from projector.store.generations import Building, Comparison, Survey
from projector.store.inspection import GenerationInspector
from projector.store.ports import Lease, LeaseName
from shared.clock import Clock
from shared.errors import Unavailable, Unsound
from shared.event_log import EventLog, EventReader, Holder
from shared.read_model.positions import Pointer

PATIENCE_SECONDS = 1.5
"""A status that waits for a server that is away is of no use to anybody."""


class GenerationStatus(msgspec.Struct, kw_only=True):
    """One generation; its role is `live`, `filling` (the first), `building` (to replace the live one) or `kept`."""

    name: str
    version: int
    role: str
    checkpoint: int | None
    events: int | None
    """Reflected in it."""
    documents: int | None = None
    bytes: int | None = None
    """In Redis, about."""
    state: str | None
    """What feeding it is like; null if this projector does not feed it."""
    kept_until: datetime | None = None
    comparison: Comparison | None = None
    """Of one that is kept: how the one that took its place differed."""


class RebuildStatus(msgspec.Struct, kw_only=True):
    """
    A rebuild or first fill under way.

    Its phase is `replaying`, `comparing`, `switching`, or `held` where an operator has to order it again or abort it.
    """

    generation: str
    version: int
    phase: str
    position: int
    target: int
    events_per_second: float | None
    by: str
    since: datetime
    held: str | None
    comparison: Comparison | None
    error: str | None


class ProjectionStatus(msgspec.Struct, kw_only=True):
    """One projection; what cannot be found out now is null."""

    name: str
    version: int
    generation: str | None = None
    checkpoint: int | None = None
    revision: int | None = None
    """Grows with every write to the generation."""
    lag_events: int | None = None
    lag_seconds: float | None = None
    parked: int = 0
    """Documents that are behind because an event of theirs is parked."""
    rebuild: RebuildStatus | None = None
    state: str
    error: str | None
    events_per_second: float
    generations: list[GenerationStatus] = []


class HeldBy(msgspec.Struct, kw_only=True):
    """The transaction that keeps the log from being read further: it appended, or is about to, and has not ended."""

    position: int
    pid: int | None
    since: datetime
    text: str


class ProjectorStatus(msgspec.Struct, kw_only=True):
    """A projector that runs: its role is `holder` (it feeds) or `standby`."""

    id: str
    role: str
    since: str


class Status(msgspec.Struct, kw_only=True):
    """The answer of `/status`; `head` is null while PostgreSQL is away, and `error` says so."""

    head: int | None = None
    projections: list[ProjectionStatus]
    held_by: HeldBy | None = None
    projectors: list[ProjectorStatus] = []
    error: str | None = None
    read_probe: str | None = None
    """What was not answered when the read API was last asked for all that is in the log."""


class StatusBoard:
    """Asks the log and the store anew each time, and answers even if neither can be reached."""

    def __init__(
        self,
        *,
        log: EventLog,
        lease: Lease,
        reconcilers: Iterable[Reconciler],
        inspectors: Mapping[str, GenerationInspector],
        clock: Clock,
    ) -> None:
        """:param inspectors: of the generations of each projection."""
        self._inspectors = inspectors
        self._log = log
        self._lease = lease
        self._reconcilers = list(reconcilers)
        self._clock = clock

    async def read(self) -> Status:
        """What holds at this moment."""
        status = Status(projections=[_as_told(each) for each in self._reconcilers])
        outcomes = [await self._ask_store(status), await self._ask_log(status)]
        status.error = "; ".join(filter(None, outcomes)) or None
        return status

    def measure(self, status: Status) -> None:
        """Set the metrics to what was read."""
        for told in status.projections:
            if told.lag_events is not None and told.lag_seconds is not None:
                metrics.LAG_EVENTS.labels(told.name).set(told.lag_events)
                metrics.LAG_SECONDS.labels(told.name).set(told.lag_seconds)
            _measure_rebuild(told)
            metrics.PARKED.labels(told.name).set(told.parked)
        self._measure_log(status)

    def _measure_log(self, status: Status) -> None:
        if status.head is None:
            return
        metrics.HEAD_POSITION.set(status.head)
        held = status.held_by
        metrics.HELD_SECONDS.set(max(0.0, (self._clock.now() - held.since).total_seconds()) if held else 0.0)

    async def _ask_store(self, status: Status) -> str | None:
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                for told, reconciler in zip(status.projections, self._reconcilers, strict=True):
                    await self._tell(told, reconciler)
                    parking = await parking_of(reconciler.model, projection=told.name)
                    told.parked = len(parking.documents())
                status.projectors = await self._projectors()
        except (Unavailable, Unsound, Busy) as error:
            return str(error)
        except TimeoutError:
            return f"Redis does not answer within {PATIENCE_SECONDS} s"
        return None

    async def _ask_log(self, status: Status) -> str | None:
        try:
            async with asyncio.timeout(PATIENCE_SECONDS), self._log.connect() as reader:
                status.head = await reader.head()
                for told in status.projections:
                    await self._measure(told, reader, head=status.head)
                reached = [told.checkpoint for told in status.projections if told.checkpoint is not None]
                holder = await reader.holder(after=min(reached, default=status.head))
                status.held_by = _held_by(holder) if holder else None
        except (Unavailable, Unsound) as error:
            return f"PostgreSQL: {error}"
        except TimeoutError:
            return f"PostgreSQL does not answer within {PATIENCE_SECONDS} s"
        return None

    async def _tell(self, told: ProjectionStatus, reconciler: Reconciler) -> None:
        survey = await reconciler.model.survey()
        _tell(told, survey, reconciler)
        collections = list(collections_of(reconciler.projection))
        for pointer, generation in zip(roles(survey), told.generations, strict=True):
            size = await self._inspectors[told.name].size(pointer, collections)
            generation.documents, generation.bytes = size

    async def _projectors(self) -> list[ProjectorStatus]:
        names = [LeaseName(each.projection.name, each.projection.version) for each in self._reconcilers]
        candidates = await self._lease.candidates(names)
        roles = {each.id: "standby" for each in candidates.all}
        everybody = {each.id: each for each in candidates.all}
        for holder in candidates.holders.values():
            roles[holder.id] = "holder"
            everybody[holder.id] = holder
        return [ProjectorStatus(id=id_, role=roles[id_], since=each.since) for id_, each in everybody.items()]

    async def _measure(self, told: ProjectionStatus, reader: EventReader, *, head: int) -> None:
        if told.checkpoint is None:
            return
        told.lag_events = (await reader.identity(position=head, since=told.checkpoint)).count
        oldest = await reader.oldest(after=told.checkpoint)
        told.lag_seconds = max(0.0, (self._clock.now() - oldest).total_seconds()) if oldest else 0.0


def _measure_rebuild(told: ProjectionStatus) -> None:
    metrics.REBUILD_HELD.labels(told.name).set(1 if told.rebuild and told.rebuild.held else 0)
    if rebuild := told.rebuild:
        ratio = rebuild.position / rebuild.target if rebuild.target else 1.0
        metrics.REBUILD_POSITION.labels(told.name).set(rebuild.position)
        metrics.REBUILD_PROGRESS.labels(told.name).set(min(1.0, ratio))
        return
    for gauge in (metrics.REBUILD_POSITION, metrics.REBUILD_PROGRESS):
        with suppress(KeyError):
            gauge.remove(told.name)


def _as_told(reconciler: Reconciler) -> ProjectionStatus:
    progress = reconciler.progress
    return ProjectionStatus(
        name=reconciler.projection.name,
        version=reconciler.projection.version,
        state=progress.state,
        error=progress.error,
        events_per_second=round(progress.events_per_second, 1),
    )


def _tell(told: ProjectionStatus, survey: Survey, reconciler: Reconciler) -> None:
    told.generation = survey.main.generation if survey.main else None
    told.checkpoint = survey.checkpoint.reached if survey.checkpoint else None
    told.revision = survey.checkpoint.revision if survey.checkpoint else None
    told.generations = [_generation(pointer, role, survey, reconciler) for pointer, role in roles(survey).items()]
    if building := survey.roster.building:
        told.rebuild = _rebuild(building, survey, reconciler.progress_of(building.pointer))


def _generation(pointer: Pointer, role: Role, survey: Survey, reconciler: Reconciler) -> GenerationStatus:
    progress, checkpoint = reconciler.progress_of(pointer), survey.at(pointer).checkpoint
    kept = survey.roster.kept if role is Role.KEPT else None
    return GenerationStatus(
        name=pointer.generation,
        version=pointer.version,
        role=role,
        checkpoint=checkpoint.reached if checkpoint else None,
        events=checkpoint.count if checkpoint else None,
        state=progress.state if progress else None,
        kept_until=kept.until if kept else None,
        comparison=kept.comparison if kept else None,
    )


def _rebuild(building: Building, survey: Survey, progress: Progress | None) -> RebuildStatus:
    reached = survey.at(building.pointer).reached
    return RebuildStatus(
        generation=building.pointer.generation,
        version=building.pointer.version,
        phase=_phase(building, reached),
        position=reached,
        target=building.target,
        events_per_second=round(progress.events_per_second, 1) if progress else None,
        by=building.order.by,
        since=building.order.at,
        held=building.held,
        comparison=building.comparison,
        error=progress.error if progress else None,
    )


def _phase(building: Building, reached: int) -> str:
    if building.held:
        return "held"
    if reached < building.target:
        return "replaying"
    return "switching" if building.comparison else "comparing"


def _held_by(holder: Holder) -> HeldBy:
    who = f"pid {holder.pid}" if holder.pid else "a prepared transaction (see pg_prepared_xacts)"
    text = f"held at {holder.position} by {who} since {holder.since.isoformat(timespec='seconds')}"
    return HeldBy(position=holder.position, pid=holder.pid, since=holder.since, text=text)
