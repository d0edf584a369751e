"""Fill a generation: fold the log from its beginning in memory, then write each record and its index entries once."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from itertools import takewhile
from time import perf_counter

from projector.folding.batch import Batch
from projector.folding.code_version import code_version
from projector.folding.fold import ProjectionFold
from projector.folding.log_fold import LogFold
from projector.folding.parking import Parking
from projector.processing.circuit_breaker import CircuitBreaker
from projector.processing.filling import Piece, Report
from projector.processing.limits import BreakerLimits
from projector.store.codec import parking_at
from projector.store.errors import Superseded
from projector.store.generations import Survey
from projector.store.ports import ProjectionStore, ReadModel
from shared.event_log import EventLog, RecordedEvent
from shared.read_model.positions import Checkpoint, Pointer


@dataclass(frozen=True, slots=True, kw_only=True)
class FillingLimits:
    """How a generation is filled."""

    documents: int = 2_000_000
    """That are kept in memory, 2 kB each: the log is folded so far, and what is behind that is fed commit by commit."""
    alone: int = 4_000
    """Fields and entries in a commit of a first fill."""
    beside: int = 1_000
    """The same while another generation is read: no reader waits long for it."""
    piece: float = 0.05
    """Seconds of folding after which it is said how much was done; a rest is as long, or some times as long."""
    here: int = 5_000
    """Positions of the log up to which no process of its own is worth it."""
    note: float = 1.0
    """Seconds from one note in the store of how far the log is folded to the next."""


class LogFiller:
    """Fills the generations of one projection, in this process."""

    def __init__(
        self,
        store: ProjectionStore,
        log: EventLog,
        *,
        limits: FillingLimits | None = None,
        breaker: BreakerLimits | None = None,
    ) -> None:
        self._store = store
        self._log = log
        self._limits = limits or FillingLimits()
        self._breaker = breaker

    async def fill(self, pointer: Pointer, *, report: Report) -> bool:
        model = self._store.model
        survey = await model.survey()
        checkpoint = survey.at(pointer).checkpoint
        if checkpoint is None or checkpoint.position:
            raise Superseded(f"generation {pointer.generation} is not to be filled any more")
        async with self._log.connect() as reader:
            if not (horizon := await reader.horizon()):
                return False
            writer = _Writer(model, pointer.generation, checkpoint)
            fold = await self._begun(writer, trimmed=self._trimmed(survey, horizon))
            await self._fold(reader.replay(after=0, until=horizon), fold, writer, report)
        if fold.position:
            weight = self._limits.beside if survey.live else self._limits.alone
            await self._write(fold, writer, report, weight=weight)
        return fold.position > 0

    def _trimmed(self, survey: Survey, horizon: int) -> int:
        """Return up to where to keep nothing: what readers cannot have any more does not come back."""
        if (retention := self._store.projection.retention) is None:
            return 0
        live = survey.at(survey.live).checkpoint
        return max(retention.by_count(horizon), live.trimmed if live else 0)

    async def _begun(self, writer: "_Writer", *, trimmed: int) -> LogFold:
        """Take the generation from all who may be filling it too, then remove what they have written."""
        projection = self._store.projection
        await writer.apply(Batch(checkpoint=writer.checkpoint.revised(filled=0, trimmed=trimmed, emptied=trimmed)))
        await writer.apply(Batch(anew=True, checkpoint=writer.checkpoint.revised()))
        parking = await writer.parking(projection.name)
        return LogFold(ProjectionFold(projection, code=code_version(projection)), parking=parking, trimmed=trimmed)

    async def _fold(
        self, replay: AsyncIterator[Sequence[RecordedEvent]], fold: LogFold, writer: "_Writer", report: Report
    ) -> None:
        breaker = CircuitBreaker(projection=self._store.projection.name, limits=self._breaker)
        began, folded = perf_counter(), 0
        async for events in replay:
            applied = _apply(events, fold, breaker)
            folded += applied
            if (seconds := perf_counter() - began) >= self._limits.piece:
                await writer.note(fold.position, every=self._limits.note)
                await report(Piece(folded, seconds))
                began, folded = perf_counter(), 0
            if applied < len(events) or len(fold) >= self._limits.documents:
                break
        await report(Piece(folded, perf_counter() - began))

    async def _write(self, fold: LogFold, writer: "_Writer", report: Report, *, weight: int) -> None:
        for batch in fold.batches(writer.checkpoint, weight=weight):
            began = perf_counter()
            await writer.apply(batch)
            await report(Piece(0, perf_counter() - began))


def _apply(events: Sequence[RecordedEvent], fold: LogFold, breaker: CircuitBreaker) -> int:
    """
    Fold events, and return how many: at one that stops the projection the rest is left to the loop that feeds on.

    :raises EventNotFoldable: it is the first of the log.
    :raises TooManyParked: too much is parked.
    """
    failed = fold.queue.failed
    applied = sum(1 for _ in takewhile(fold.apply, events))
    breaker.check(failed=fold.queue.failed - failed, parked=len(fold.queue))
    return applied


class _Writer:
    """Writes one generation; a commit finds out whether another has written to it meanwhile."""

    def __init__(self, model: ReadModel, generation: str, checkpoint: Checkpoint) -> None:
        self._model = model
        self._generation = generation
        self.checkpoint = checkpoint
        self._noted = perf_counter()

    async def apply(self, batch: Batch) -> None:
        async with self._model.commit(self._generation, expected=self.checkpoint) as commit:
            await commit.apply(batch)
        self.checkpoint = batch.checkpoint

    async def parking(self, projection: str) -> Parking:
        """Return what the generation has taken over: that events were skipped."""
        async with self._model.commit(self._generation, expected=self.checkpoint) as commit:
            return parking_at(self.checkpoint, commit.parked, projection=projection)

    async def note(self, position: int, *, every: float) -> None:
        """Note how far the log is folded, unless that was done less than so many seconds ago."""
        if (now := perf_counter()) - self._noted >= every:
            self._noted = now
            await self.apply(Batch(checkpoint=self.checkpoint.revised(filled=position)))
