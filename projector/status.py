"""How far each projection is, who feeds it, and what holds it up."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec

from projector.cancellation import is_cancelled
from projector.ports import CannotGoOn, Lease, ReadModel, ReadModelUnavailable, Survey
from projector.progress import Progress
from projector.projection import Projection
from shared.clock import Clock
from shared.event_log import EventLog, EventLogUnavailable, EventLogUnsound, EventReader, Holder

PATIENCE_SECONDS = 1.5
"""A status that waits for a server that is away is of no use to anybody."""

METRICS_SECONDS = 5.0


class ProjectionStatus(msgspec.Struct, kw_only=True):
    """One projection; what cannot be found out now is null."""

    name: str
    version: int
    generation: str | None = None
    checkpoint: int | None = None
    lag_events: int | None = None
    lag_seconds: float | None = None
    parked: int = 0
    rebuild: None = None
    state: str
    error: str | None
    events_per_second: float


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


@dataclass(frozen=True, slots=True)
class Watched:
    """A projection, its store and what its loop says."""

    projection: Projection
    model: ReadModel
    progress: Progress


class StatusBoard:
    """Asks the log and the store anew each time, and answers even if neither can be reached."""

    def __init__(self, *, log: EventLog, lease: Lease, watched: Sequence[Watched], clock: Clock) -> None:
        self._log = log
        self._lease = lease
        self._watched = watched
        self._clock = clock

    async def read(self) -> Status:
        """What holds at this moment."""
        status = Status(projections=[_as_told(each) for each in self._watched])
        outcomes = [await self._ask_store(status), await self._ask_log(status)]
        status.error = "; ".join(filter(None, outcomes)) or None
        return status

    async def keep_metrics(self) -> None:
        """Measure how far the projections lag behind, every few seconds, until cancelled."""
        while not is_cancelled():
            status = await self.read()
            for told, watched in zip(status.projections, self._watched, strict=True):
                if told.lag_events is not None and told.lag_seconds is not None:
                    watched.progress.lag(events=told.lag_events, seconds=told.lag_seconds)
            await asyncio.sleep(METRICS_SECONDS)

    async def _ask_store(self, status: Status) -> str | None:
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                for told, watched in zip(status.projections, self._watched, strict=True):
                    _tell(told, await watched.model.survey())
                status.projectors = await self._projectors()
        except (ReadModelUnavailable, CannotGoOn) as error:
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
        except (EventLogUnavailable, EventLogUnsound) as error:
            return f"PostgreSQL: {error}"
        except TimeoutError:
            return f"PostgreSQL does not answer within {PATIENCE_SECONDS} s"
        return None

    async def _projectors(self) -> list[ProjectorStatus]:
        candidates = await self._lease.candidates()
        roles = {each.id: "standby" for each in candidates.all}
        everybody = {each.id: each for each in candidates.all}
        if holder := candidates.holder:
            roles[holder.id] = "holder"
            everybody[holder.id] = holder
        return [ProjectorStatus(id=id_, role=roles[id_], since=each.since) for id_, each in everybody.items()]

    async def _measure(self, told: ProjectionStatus, reader: EventReader, *, head: int) -> None:
        if told.checkpoint is None:
            return
        told.lag_events = (await reader.identity(position=head, since=told.checkpoint)).count
        oldest = await reader.oldest(after=told.checkpoint)
        told.lag_seconds = max(0.0, (self._clock.now() - oldest).total_seconds()) if oldest else 0.0


def _as_told(watched: Watched) -> ProjectionStatus:
    progress = watched.progress
    return ProjectionStatus(
        name=watched.projection.name,
        version=watched.projection.version,
        state=progress.state,
        error=progress.error,
        events_per_second=round(progress.events_per_second, 1),
    )


def _tell(told: ProjectionStatus, survey: Survey) -> None:
    told.generation = survey.fed.generation if survey.fed else None
    told.checkpoint = survey.checkpoint.reached if survey.checkpoint else None


def _held_by(holder: Holder) -> HeldBy:
    who = f"pid {holder.pid}" if holder.pid else "a prepared transaction (see pg_prepared_xacts)"
    text = f"held at {holder.position} by {who} since {holder.since.isoformat(timespec='seconds')}"
    return HeldBy(position=holder.position, pid=holder.pid, since=holder.since, text=text)
