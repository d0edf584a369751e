"""Fill a range of a generation: fold what concerns it in memory, then write each record and its index entries once."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from itertools import takewhile
from time import perf_counter

from projector.folding.batch import Batch
from projector.folding.code_version import code_version
from projector.folding.fold import ProjectionFold
from projector.folding.log_fold import LogFold
from projector.folding.parking import Parking
from projector.processing.circuit_breaker import CircuitBreaker
from projector.processing.filling import Piece, RangeOrder, RangeOutcome, Report, Turn
from projector.processing.limits import BreakerLimits
from projector.store.codec import parking_at
from projector.store.ports import ProjectionStore
from shared.event_log import EventLog, RecordedEvent
from shared.event_log.ranges import IdRange


class FoldingRangeFiller:
    """Fills ranges in this process."""

    def __init__(
        self, store: ProjectionStore, log: EventLog, *, piece: float, breaker: BreakerLimits | None = None
    ) -> None:
        """:param piece: seconds of work after which it is said how much was done."""
        self._store = store
        self._log = log
        self._piece = piece
        self._breaker = breaker

    async def fill(self, order: RangeOrder, *, turn: Turn, report: Report) -> RangeOutcome:
        within = IdRange(order.nth, order.of, self._store.projection.ranged_by)
        fold = await self._begun(order, turn, within)
        async with self._log.connect() as reader:
            await self._fold(reader.replay(after=0, until=order.until, within=within), fold, report)
        if fold.stopped:
            return RangeOutcome(stopped=fold.stopped.position)
        await self._write(fold, order, turn, report)
        return RangeOutcome(fold.parking)

    async def _begun(self, order: RangeOrder, turn: Turn, within: IdRange) -> LogFold:
        """Begin with what the generation has taken over: that events were skipped."""
        projection = self._store.projection
        async with turn() as after, self._store.model.commit(order.generation, expected=after) as commit:
            parking = parking_at(after, commit.parked, projection=projection.name)
            await commit.apply(Batch(checkpoint=after.revised()))
        fold, skips = ProjectionFold(projection, code=code_version(projection)), Parking(skipped=parking.skipped)
        return LogFold(fold, parking=skips, within=within, trimmed=after.trimmed)

    async def _fold(self, replay: AsyncIterator[Sequence[RecordedEvent]], fold: LogFold, report: Report) -> None:
        breaker = CircuitBreaker(projection=self._store.projection.name, limits=self._breaker)
        began, folded, position = perf_counter(), 0, 0
        concerns = self._store.projection.concerns
        async for events in replay:
            folded += _apply(list(filter(concerns, events)) if concerns else events, fold, breaker)
            position = events[-1].position if events else position
            if (seconds := perf_counter() - began) >= self._piece:
                await report(Piece(folded, seconds, position))
                began, folded = perf_counter(), 0
            if fold.stopped:
                break
        await report(Piece(folded, perf_counter() - began, position))

    async def _write(self, fold: LogFold, order: RangeOrder, turn: Turn, report: Report) -> None:
        began = perf_counter()
        for batch in fold.batches(weight=order.weight):
            async with turn() as checkpoint, self._store.model.commit(order.generation, expected=checkpoint) as commit:
                await commit.apply(replace(batch, checkpoint=checkpoint.revised()))
            if (seconds := perf_counter() - began) >= self._piece:
                await report(Piece(0, seconds, order.until))
                began = perf_counter()
        await report(Piece(0, perf_counter() - began, order.until))


def _apply(events: Sequence[RecordedEvent], fold: LogFold, breaker: CircuitBreaker) -> int:
    """
    Fold events, and return how many: none behind one that stops the projection.

    :raises TooManyParked: too much is parked.
    """
    failed = fold.queue.failed
    applied = sum(1 for _ in takewhile(fold.apply, events))
    breaker.check(failed=fold.queue.failed - failed, parked=len(fold.queue))
    return applied
