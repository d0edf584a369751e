"""The loop that feeds a projection: read, fold, commit, and look again whenever something is not as expected."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from time import perf_counter

from projector.cancellation import is_cancelled
from projector.committing import MOST_WRITES, commit_next, sweep_next
from projector.documents import Sweeping
from projector.fold import MOST_SWEEPS, Folded, Folder
from projector.fork import ForkCheck
from projector.ports import (
    CannotGoOn,
    EventNotFoldable,
    GenerationDamaged,
    LogForked,
    ReadModel,
    ReadModelUnavailable,
    Superseded,
    VersionDiffers,
)
from projector.progress import Progress, State
from projector.projection import Projection
from projector.remedies import refill
from projector.tenure import Tenure
from shared.event_log import EventLog, EventLogUnavailable, EventLogUnsound, EventReader, RecordedEvent
from shared.keys import ProjectionKeys
from shared.records import Checkpoint, Pointer, Sweep


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How often things are done; seconds, but for the batch."""

    batch: int = 500
    """Events in a commit, at most."""
    sweep: int = 1000
    """Documents in a step of a sweep."""
    interval: float = 0.0
    """From one commit of events to the next: what comes in between travels together."""
    poll: float = 0.25
    """The bell is only a hint; this is the floor beneath it."""
    attest: float = 5.0
    recheck: float = 3.0
    """Between two looks at what stopped a projection."""
    first_retry: float = 0.05
    longest_retry: float = 1.0


@dataclass(frozen=True, slots=True)
class Standing:
    """Where the loop believes the store to stand; every commit finds out whether it does."""

    pointer: Pointer
    checkpoint: Checkpoint
    fills_up_to: int | None = None
    """The head of the log when the first fill began or was taken up; None once the generation is live."""
    sweeping: Sequence[Sweeping] = ()
    """The sweeps of the checkpoint, and what they do."""

    @property
    def is_filled(self) -> bool:
        return self.fills_up_to is not None and self.checkpoint.reached >= self.fills_up_to

    def after(self, folded: Folded) -> "Standing":
        return replace(self, checkpoint=folded.batch.checkpoint, sweeping=folded.sweeping)


class NotFed(Exception):
    """A projection stands still; the message says why."""


class Feeder:
    """Feeds one projection, for ever."""

    def __init__(
        self,
        projection: Projection,
        *,
        log: EventLog,
        model: ReadModel,
        tenure: Tenure,
        progress: Progress,
        ids: Callable[[], str],
        pace: Pace | None = None,
    ) -> None:
        """:param ids: makes the names of generations."""
        self._projection = projection
        self._keys = ProjectionKeys(projection.name)
        self._folder = Folder(projection)
        self._fork_check = ForkCheck(projection=projection.name)
        self._log = log
        self._model = model
        self._tenure = tenure
        self.progress = progress
        self._ids = ids
        self._pace = pace or Pace()
        self._retry = self._pace.first_retry
        self._size = self._pace.batch
        self._looked = self._committed = float("-inf")

    async def run(self) -> None:
        """
        Feed while the lease is held, until cancelled.

        What is away is tried again until it is back; what somebody must mend is looked at every few seconds.
        """
        while not is_cancelled():
            try:
                await self._turn()
            except (ReadModelUnavailable, EventLogUnavailable) as error:
                self.progress.wait(error)
                await self._back_off()
            except (CannotGoOn, EventLogUnsound) as error:
                self.progress.stop(error)
                await asyncio.sleep(self._pace.recheck)
            except Exception as error:  # noqa: BLE001 - a defect must not go unseen, nor take /status along
                self.progress.break_down(error)
                await asyncio.sleep(self._pace.recheck)

    async def _turn(self) -> None:
        if not self._tenure.is_held:
            self.progress.stand_by()
            await self._tenure.begun()
        async with self._log.connect() as reader:
            await self._feed(reader)

    async def _feed(self, reader: EventReader) -> None:
        standing, attested = None, float("-inf")
        while self._tenure.is_held and not is_cancelled():
            if perf_counter() - attested > self._pace.attest:
                await self._model.attest()
                attested = perf_counter()
            try:
                standing = await self._pass(reader, standing or await self._stand(reader))
            except Superseded as error:
                self.progress.superseded(error)
                standing = None
                await self._back_off()

    async def _pass(self, reader: EventReader, standing: Standing) -> Standing:
        """Take a step of the first sweep, and the next events: neither waits for all of the other."""
        if standing.sweeping:
            standing = await self._sweep(standing)
        events = await self._next_events(reader, standing)
        if events:
            standing = await self._commit_what_can_be_folded(standing, events)
        elif perf_counter() - self._looked >= self._pace.poll:
            await self._require_unchanged(standing)
            self._looked = perf_counter()
        if standing.is_filled:
            await self._model.go_live(standing.pointer, expected=standing.checkpoint)
            standing = replace(standing, fills_up_to=None)
        self.progress.stand(standing.checkpoint, filling=standing.fills_up_to is not None)
        self._retry = self._pace.first_retry
        if not events and not standing.sweeping:
            await reader.rung(seconds=self._pace.poll)
        return standing

    async def _next_events(self, reader: EventReader, standing: Standing) -> Sequence[RecordedEvent]:
        if len(standing.sweeping) >= MOST_SWEEPS:
            return ()
        if (early := self._committed + self._pace.interval - perf_counter()) > 0:
            await asyncio.sleep(early)
        return await reader.read(after=standing.checkpoint.position, limit=self._size)

    async def _commit_what_can_be_folded(self, standing: Standing, events: Sequence[RecordedEvent]) -> Standing:
        """Commit; an event that cannot be folded stops the projection only once what came before it has been swept."""
        try:
            return await self._commit(standing, events)
        except EventNotFoldable:
            if not standing.sweeping:
                raise
            return standing

    async def _commit(self, standing: Standing, events: Sequence[RecordedEvent]) -> Standing:
        began = perf_counter()
        folded = await commit_next(
            events,
            folder=self._folder,
            model=self._model,
            generation=standing.pointer.generation,
            after=standing.checkpoint,
            sweeping=standing.sweeping,
        )
        applied = folded.batch.checkpoint.count - standing.checkpoint.count
        self._looked = self._committed = perf_counter()
        self._size = self._fitting(applied, folded.batch.weight) if applied == len(events) else max(1, applied)
        self.progress.committed(folded.batch, events=applied, seconds=self._looked - began)
        self._fork_check.passed(folded.batch.checkpoint)
        return standing.after(folded)

    def _fitting(self, events: int, weight: int) -> int:
        """How many events are likely to be just enough for a commit, going by the last one."""
        return max(1, min(self._pace.batch, events * MOST_WRITES // max(1, weight)))

    async def _sweep(self, standing: Standing) -> Standing:
        folded = await sweep_next(
            standing.sweeping,
            folder=self._folder,
            model=self._model,
            generation=standing.pointer.generation,
            after=standing.checkpoint,
            limit=self._pace.sweep,
        )
        self._looked = perf_counter()
        self.progress.swept(folded.batch)
        return standing.after(folded)

    async def _require_unchanged(self, standing: Standing) -> None:
        """With nothing to commit, nothing else would notice that Redis was emptied or came back older."""
        survey = await self._model.survey()
        if (survey.fed, survey.checkpoint, survey.damaged) != (standing.pointer, standing.checkpoint, None):
            raise Superseded("the store is not as it was left")

    async def _stand(self, reader: EventReader) -> Standing:
        """Take what the store says, having made sure that it can be gone on from."""
        pointer, checkpoint, is_filling = await self._survey_or_begin()
        if pointer.version != self._projection.version:
            raise VersionDiffers(
                f"projection {self._projection.name}: generation {pointer.generation} was made by version"
                f" {pointer.version} and is frozen, this projector has version {self._projection.version};"
                f" start a projector of that version, or {refill(self._keys)}"
            )
        await self._fork_check.require(reader, checkpoint)
        sweeping = [await self._taken_up(sweep, reader) for sweep in checkpoint.sweeps]
        return Standing(pointer, checkpoint, await reader.head() if is_filling else None, sweeping)

    async def _taken_up(self, sweep: Sweep, reader: EventReader) -> Sweeping:
        """A sweep that was under way when the generation was left: the log tells what it does."""
        for recorded in await reader.read(after=sweep.position - 1, limit=1):
            if recorded.position == sweep.position and (fan_out := self._folder.fan_out_of(recorded)):
                return Sweeping(sweep, fan_out)
        raise LogForked(
            f"projection {self._projection.name}: what is under way from position {sweep.position} is not in the log;"
            f" {refill(self._keys)}"
        )

    async def _survey_or_begin(self) -> tuple[Pointer, Checkpoint, bool]:
        survey = await self._model.survey()
        if survey.damaged:
            raise GenerationDamaged(survey.damaged)
        if survey.fed and survey.checkpoint:
            return survey.fed, survey.checkpoint, survey.filling == survey.fed
        if survey.live:
            raise GenerationDamaged(
                f"projection {self._projection.name}: generation {survey.live.generation} has lost its checkpoint;"
                f" {refill(self._keys)}"
            )
        pointer = Pointer(self._ids(), self._projection.version)
        await self._model.begin_fill(pointer)
        return pointer, Checkpoint(), True

    async def _back_off(self) -> None:
        await asyncio.sleep(self._retry)
        self._retry = min(self._retry * 2, self._pace.longest_retry)


class Engine:
    """Feeds all projections for as long as the process lives."""

    def __init__(self, *, feeders: Sequence[Feeder], tenure: Tenure) -> None:
        self._feeders = feeders
        self._tenure = tenure

    async def run(self) -> None:
        """Feed until cancelled, then give the lease up."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._tenure.run())
            for feeder in self._feeders:
                group.create_task(feeder.run())

    def require_feeding(self) -> None:
        """
        Return if every projection is fed, by this projector or another, or will be once a server is back.

        :raises NotFed: one is not, and why.
        """
        for progress in (feeder.progress for feeder in self._feeders):
            if progress.state in {State.STARTING, State.STOPPED}:
                raise NotFed(progress.error or f"projection {progress.projection} is starting")
