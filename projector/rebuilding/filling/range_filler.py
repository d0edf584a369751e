"""Fill ranges of generations: fold what concerns them in memory, then write each record and its index entries once."""

from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import takewhile
from time import perf_counter

from projector.declaring.partitioning import RouteToLabels
from projector.folding.batch import Batch
from projector.folding.code_version import code_version
from projector.folding.fold import ProjectionFold
from projector.folding.log_fold import LogFold
from projector.folding.parking import Parking
from projector.processing.circuit_breaker import CircuitBreaker
from projector.processing.filling import Piece, RangeOrder, RangeOutcome, Shares
from projector.processing.limits import BreakerLimits
from projector.store.codec import parking_at
from projector.store.ports import ProjectionStore
from shared.event_log import EventLog, RecordedEvent
from shared.event_log.ranges import EVERYTHING, IdRange

TOLD_TOGETHER = 8
"""Ranges of which one reading says as often what was done as of one; of more it does so the more seldom."""


class FoldingReading:
    """Reads and folds in this process."""

    def __init__(
        self,
        stores: Mapping[str, ProjectionStore],
        log: EventLog,
        *,
        piece: float,
        route: RouteToLabels | None = None,
        breaker: BreakerLimits | None = None,
    ) -> None:
        """
        :param stores: of all projections that may be filled, by their labels.
        :param piece: seconds of work after which it is said how much was done.
        :param route: which of them an event concerns; without it each is asked itself.
        """
        self._stores = stores
        self._log = log
        self._piece = piece
        self._route = route
        self._breaker = breaker

    async def fill(self, shares: Shares) -> None:
        folds = dict[str, _RangeFold]()
        for label, order in shares.orders.items():
            with _ending_alone(shares, label):
                folds[label] = await self._begun(label, order, shares)
        await self._read(folds, shares)
        for label in [*folds]:
            ranged = folds.pop(label)  # what is written takes no more memory
            with _ending_alone(shares, label):
                if await self._write(label, ranged, shares):
                    shares.end(label, RangeOutcome(ranged.fold.parking))

    async def _begun(self, label: str, order: RangeOrder, shares: Shares) -> "_RangeFold":
        """Begin with what the generation has taken over: that events were skipped."""
        store = self._stores[label]
        within = IdRange(order.nth, order.of, store.projection.ranged_by)
        async with shares.turn(label) as after, store.model.commit(order.generation, expected=after) as commit:
            parking = parking_at(after, commit.parked, projection=store.projection.name)
            await commit.apply(Batch(checkpoint=after.revised()))
        fold = ProjectionFold(store.projection, code=code_version(store.projection))
        skips = Parking(skipped=parking.skipped)
        return _RangeFold(
            LogFold(fold, parking=skips, within=within, trimmed=after.trimmed),
            CircuitBreaker(projection=store.projection.name, limits=self._breaker),
            order,
            within,
            concerns=None if self._route else store.projection.concerns,
            is_alone=len(shares.orders) == 1,
        )

    async def _read(self, folds: Mapping[str, "_RangeFold"], shares: Shares) -> None:
        """Read for all of them; a range that is read for alone is given by the log."""
        if not folds:
            return
        alone = [each.within for each in folds.values() if each.is_alone]
        within, until = alone[0] if alone else EVERYTHING, max(each.order.until for each in folds.values())
        async with self._log.connect() as reader:
            await self._fold(reader.replay(after=0, until=until, within=within), folds, shares)

    async def _fold(
        self, replay: AsyncIterator[Sequence[RecordedEvent]], folds: Mapping[str, "_RangeFold"], shares: Shares
    ) -> None:
        piece = self._piece * max(1, len(folds) // TOLD_TOGETHER)
        began, position = perf_counter(), 0
        async for events in replay:
            for label, own in self._shared_out(events, folds).items():
                if shares.is_wanted(label):
                    with _ending_alone(shares, label):
                        if stopped := folds[label].apply(own):
                            shares.end(label, RangeOutcome(stopped=stopped.position))
            position = events[-1].position if events else position
            if (seconds := perf_counter() - began) >= piece:
                await shares.report({label: each.piece(seconds, position) for label, each in folds.items()})
                began = perf_counter()
            if not shares.are_wanted():
                return
        seconds = perf_counter() - began
        await shares.report({label: each.piece(seconds, position) for label, each in folds.items()})

    def _shared_out(
        self, events: Sequence[RecordedEvent], folds: Mapping[str, "_RangeFold"]
    ) -> Mapping[str, Sequence[RecordedEvent]]:
        """Return what concerns each range, of what follows in the log."""
        if self._route is None:
            return dict.fromkeys(folds, events)
        found = defaultdict[str, list[RecordedEvent]](list)
        for recorded in events:
            for label in self._route(recorded):
                found[label].append(recorded)
        return {label: found[label] for label in folds}

    async def _write(self, label: str, ranged: "_RangeFold", shares: Shares) -> bool:
        """Write one range, and return whether it is still wanted."""
        began, order, model = perf_counter(), ranged.order, self._stores[label].model
        for batch in ranged.fold.batches(weight=order.weight):
            if not shares.is_wanted(label):
                return False
            async with shares.turn(label) as checkpoint, model.commit(order.generation, expected=checkpoint) as commit:
                await commit.apply(replace(batch, checkpoint=checkpoint.revised()))
            if (seconds := perf_counter() - began) >= self._piece:
                await shares.report({label: Piece(0, seconds, order.until)})
                began = perf_counter()
        await shares.report({label: Piece(0, perf_counter() - began, order.until)})
        return shares.is_wanted(label)


@dataclass(slots=True)
class _RangeFold:
    """The fold of one range, and how much of it there is to tell."""

    fold: LogFold
    breaker: CircuitBreaker
    order: RangeOrder
    within: IdRange
    concerns: Callable[[RecordedEvent], bool] | None
    is_alone: bool
    """Whether it is given nothing but what concerns the range."""
    folded: int = 0

    def apply(self, events: Sequence[RecordedEvent]) -> RecordedEvent | None:
        """
        Fold what is its own of these events, up to the one that stops the projection; return that.

        :raises TooManyParked: too much is parked.
        """
        own = list(filter(self.concerns, events)) if self.concerns else events
        if not self.is_alone:
            own = list(filter(self._is_its_own, own))
        failed = self.fold.queue.failed
        self.folded += sum(1 for _ in takewhile(self.fold.apply, own))
        self.breaker.check(failed=self.fold.queue.failed - failed, parked=len(self.fold.queue))
        return self.fold.stopped

    def piece(self, seconds: float, position: int) -> Piece:
        """Tell what was folded since that was last told."""
        folded, self.folded = self.folded, 0
        return Piece(folded, seconds, min(position, self.order.until))

    def _is_its_own(self, recorded: RecordedEvent) -> bool:
        event, aggregate, id_ = recorded.event, recorded.aggregate, recorded.aggregate_id
        return recorded.position <= self.order.until and self.within.concerns(
            event, aggregate=aggregate, aggregate_id=id_
        )


@contextmanager
def _ending_alone(shares: Shares, label: str) -> Iterator[None]:
    """Have what goes wrong end this range, and no other."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - whatever it is, it is raised where the range was wanted
        shares.end(label, error)
