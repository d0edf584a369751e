"""The status: how far each projection is, which projector feeds it, and what holds it up."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import partial

from projector.monitoring.answers import (
    READY,
    GenerationStatus,
    HeldBy,
    PartStatus,
    ProjectorStatus,
    RebuildStatus,
    Status,
)
from projector.monitoring.limits import MonitoringLimits
from projector.monitoring.wholes import wholes_of
from projector.parked.events import Busy, parking_of
from projector.processing import metrics
from projector.processing.processors import roles
from projector.processing.progress import GenerationRole, ProjectionProgress
from projector.rebuilding.reconciler import Reconciler
from projector.store.collections import collections_of
from projector.store.generations import Building, Survey
from projector.store.ports import Lease
from shared.clock import Clock
from shared.errors import Unavailable, Unsound
from shared.event_log import EventLog, EventReader, Holder
from shared.read_model.layouts import Layouts
from shared.read_model.positions import Pointer

PLACES = 12
"""Partitions that are asked at once: each takes a connection."""


class StatusBoard:
    """Ask the log and the store anew each time, and answer even if neither can be reached."""

    def __init__(
        self,
        *,
        log: EventLog,
        lease: Lease,
        reconcilers: Iterable[Reconciler],
        clock: Clock,
        limits: MonitoringLimits | None = None,
        layouts: Layouts | None = None,
    ) -> None:
        self._log = log
        self._layouts = layouts
        self._lease = lease
        self._reconcilers = list(reconcilers)
        self._clock = clock
        self._patience = (limits or MonitoringLimits()).patience
        self._places = asyncio.Semaphore(PLACES)

    async def read(self, *, whole: bool = True) -> Status:
        """:param whole: sizes and projectors too, which are nothing but to be looked at."""
        status, parts = (
            Status(projections=[], layouts=self._layouts),
            [_from_progress(each) for each in self._reconcilers],
        )
        errors = [*await self._read_store(status, parts, whole=whole), await self._read_log(status, parts)]
        status.error = "; ".join(dict.fromkeys(filter(None, errors))) or None
        status.projections = wholes_of(parts)
        return status

    def measure(self, status: Status) -> None:
        """Set the metrics to what was read."""
        for part in status.parts:
            labels = metrics.labels_of(part.name)
            if part.lag_events is not None and part.lag_seconds is not None:
                metrics.LAG_EVENTS.labels(*labels).set(part.lag_events)
                metrics.LAG_SECONDS.labels(*labels).set(part.lag_seconds)
            _measure_rebuild(part.rebuild, labels)
            metrics.PARKED.labels(*labels).set(part.parked)
        self._measure_log(status)

    def _measure_log(self, status: Status) -> None:
        if status.head is None:
            return
        metrics.HEAD_POSITION.set(status.head)
        held = status.held_by
        metrics.HELD_SECONDS.set(max(0.0, (self._clock.now() - held.since).total_seconds()) if held else 0.0)

    async def _read_store(self, status: Status, parts: Sequence[PartStatus], *, whole: bool) -> Sequence[str | None]:
        """Ask each partition apart, several at once: one whose server is away hides no other."""
        places: dict[str, list[tuple[PartStatus, Reconciler]]] = {}
        for part, reconciler in zip(parts, self._reconcilers, strict=True):
            places.setdefault(metrics.labels_of(part.name)[1], []).append((part, reconciler))
        surveys: dict[str, Survey] = {}
        reads = [partial(self._read_place, each, surveys, sized=whole) for each in places.values()]
        if whole:
            reads.append(partial(self._add_projectors, status))
        errors = await asyncio.gather(*map(self._error_of, reads))
        self._add_waiting(parts, surveys)
        return errors

    async def _error_of(self, read: Callable[[], Awaitable[None]]) -> str | None:
        try:
            async with self._places, asyncio.timeout(self._patience):
                await read()
        except (Unavailable, Unsound, Busy) as error:
            return str(error)
        except TimeoutError:
            return f"Redis does not answer within {self._patience} s"
        return None

    async def _read_place(
        self, of: Sequence[tuple[PartStatus, Reconciler]], surveys: dict[str, Survey], *, sized: bool
    ) -> None:
        for part, reconciler in of:
            surveys[reconciler.label] = await self._add_survey(part, reconciler, sized=sized)

    async def _read_log(self, status: Status, parts: Sequence[PartStatus]) -> str | None:
        try:
            async with asyncio.timeout(self._patience), self._log.connect() as reader:
                status.head = await reader.head()
                reached = [each.checkpoint for each in parts if each.checkpoint is not None]
                lags = {each: await self._lag(reader, since=each, head=status.head) for each in dict.fromkeys(reached)}
                for part in parts:
                    if part.checkpoint is not None:
                        part.lag_events, part.lag_seconds = lags[part.checkpoint]
                holder = await reader.holder(after=min(reached, default=status.head))
                status.held_by = _held_by(holder) if holder else None
        except (Unavailable, Unsound) as error:
            return f"PostgreSQL: {error}"
        except TimeoutError:
            return f"PostgreSQL does not answer within {self._patience} s"
        return None

    def _add_waiting(self, parts: Sequence[PartStatus], surveys: Mapping[str, Survey]) -> None:
        """Say of each part that is ready for which of the others it waits."""
        labels = defaultdict[str, list[str]](list)
        for each in self._reconcilers:
            labels[each.projection.whole].append(each.label)
        for part, reconciler in zip(parts, self._reconcilers, strict=True):
            if (rebuild := part.rebuild) and rebuild.phase == READY:
                ready = {each for each, survey in surveys.items() if survey.has_ready(rebuild.version)}
                rebuild.waits_for = [each for each in labels[reconciler.projection.whole] if each not in ready]

    async def _add_survey(self, projection: PartStatus, reconciler: Reconciler, *, sized: bool) -> Survey:
        survey = await reconciler.store.model.survey()
        _add_survey(projection, survey, reconciler)
        if survey.checkpoint and survey.checkpoint.parked:
            parking = await parking_of(reconciler.store.model, projection=projection.name)
            projection.parked = len(parking.documents())
        if sized:
            await self._add_sizes(projection, survey, reconciler)
        return survey

    async def _add_sizes(self, projection: PartStatus, survey: Survey, reconciler: Reconciler) -> None:
        collections = list(collections_of(reconciler.projection))
        for pointer, generation in zip(roles(survey), projection.generations, strict=True):
            size = await reconciler.store.inspector.size(pointer, collections)
            generation.documents, generation.bytes = size

    async def _add_projectors(self, status: Status) -> None:
        candidates = await self._lease.candidates([each.lease for each in self._reconcilers])
        holders = {each.id: each for each in candidates.holders.values()}
        known = {each.id: each for each in candidates.all} | holders
        status.projectors = [
            ProjectorStatus(id=id_, role="holder" if id_ in holders else "standby", since=each.since)
            for id_, each in known.items()
        ]

    async def _lag(self, reader: EventReader, *, since: int, head: int) -> tuple[int, float]:
        """Return how many events stand behind a checkpoint, and the age of the first in seconds."""
        if since >= head:
            return 0, 0.0
        events = (await reader.identity(position=head, since=since)).count
        oldest = await reader.oldest(after=since)
        return events, max(0.0, (self._clock.now() - oldest).total_seconds()) if oldest else 0.0


def _measure_rebuild(rebuild: RebuildStatus | None, labels: tuple[str, str]) -> None:
    metrics.REBUILD_HELD.labels(*labels).set(1 if rebuild and rebuild.held else 0)
    if rebuild:
        metrics.REBUILD_POSITION.labels(*labels).set(rebuild.position)
        metrics.REBUILD_PROGRESS.labels(*labels).set(rebuild.done)
        return
    for gauge in (metrics.REBUILD_POSITION, metrics.REBUILD_PROGRESS):
        with suppress(KeyError):
            gauge.remove(*labels)


def _from_progress(reconciler: Reconciler) -> PartStatus:
    progress = reconciler.progress
    return PartStatus(
        name=reconciler.projection.label,
        version=reconciler.projection.version,
        state=progress.state,
        error=progress.error,
        events_per_second=round(progress.events_per_second, 1),
    )


def _add_survey(status: PartStatus, survey: Survey, reconciler: Reconciler) -> None:
    status.generation = survey.main.generation if survey.main else None
    status.checkpoint = survey.checkpoint.reached if survey.checkpoint else None
    status.revision = survey.checkpoint.revision if survey.checkpoint else None
    status.generations = [_generation(pointer, role, survey, reconciler) for pointer, role in roles(survey).items()]
    if building := survey.roster.building:
        status.rebuild = _rebuild(building, survey, reconciler.progress_of(building.pointer))


def _generation(pointer: Pointer, role: GenerationRole, survey: Survey, reconciler: Reconciler) -> GenerationStatus:
    progress, checkpoint = reconciler.progress_of(pointer), survey.at(pointer).checkpoint
    kept = survey.roster.kept if role is GenerationRole.KEPT else None
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


def _rebuild(building: Building, survey: Survey, progress: ProjectionProgress | None) -> RebuildStatus:
    reached, folded = survey.at(building.pointer).reached, survey.at(building.pointer).folded
    return RebuildStatus(
        generation=building.pointer.generation,
        version=building.pointer.version,
        phase=_phase(building, reached),
        position=folded,
        target=building.target,
        events_per_second=round(progress.events_per_second, 1) if progress else None,
        by=building.order.by,
        since=building.order.at,
        held=building.held,
        comparison=building.comparison,
        error=progress.error if progress else None,
        done=replayed(folded, building.target),
    )


def replayed(position: int, target: int) -> float:
    """Return the share of the log that is replayed; all of a log in which there is nothing."""
    return min(1.0, position / target) if target else 1.0


def _phase(building: Building, reached: int) -> str:
    if building.held:
        return "held"
    if building.ready:
        return READY
    if reached < building.target:
        return "replaying"
    return "switching" if building.comparison else "comparing"


def _held_by(holder: Holder) -> HeldBy:
    who = f"pid {holder.pid}" if holder.pid else "a prepared transaction (see pg_prepared_xacts)"
    text = f"held at {holder.position} by {who} since {holder.since.isoformat(timespec='seconds')}"
    return HeldBy(position=holder.position, pid=holder.pid, since=holder.since, text=text)
