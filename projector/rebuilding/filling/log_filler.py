"""Fill a generation: range by range of its ids, each from the same part of the log."""

from dataclasses import dataclass
from functools import partial
from time import perf_counter

import msgspec

from projector.folding.code_version import code_version
from projector.processing.circuit_breaker import CircuitBreaker
from projector.processing.filling import Piece, RangeFiller, RangeOrder, Report
from projector.processing.limits import BreakerLimits
from projector.rebuilding.filling.fill_writer import FillWriter
from projector.rebuilding.filling.range_filler import FoldingReading
from projector.rebuilding.filling.shared_reading import LoneReading
from projector.store.errors import Superseded
from projector.store.generations import Survey
from projector.store.ports import ProjectionStore
from shared.event_log import EventLog, EventReader
from shared.event_log.ranges import MOST_RANGES
from shared.read_model.positions import Filling, Pointer
from shared.runtime.tasks import side_by_side


@dataclass(frozen=True, slots=True, kw_only=True)
class FillingLimits:
    """How a generation is filled."""

    events: int = 2_000_000
    """Whose records are kept in memory: of a longer log one range of ids is folded after the other."""
    processes: int = 2
    """In which so many ranges are folded at once."""
    gather: float = 2.0
    """Seconds in which no part comes before those that wait for it share a reading in a process of its own."""
    alone: int = 4_000
    """Fields and entries in a commit of a first fill."""
    beside: int = 1_000
    """The same while another generation is read: no reader waits long for it."""
    niceness: int = 5
    """By which others go before such a process (see nice(2)): of a busy processor it gets a third of their part."""
    piece: float = 0.1
    """Seconds of work after which it is said how much was done; a rest is as long, or some times as long."""
    here: int = 5_000
    """Positions of the log up to which no process of its own is worth it."""
    each: int = 200_000
    """Positions for each process while another generation is read: what feeds that one has a processor left."""
    note: float = 1.0
    """Seconds from one note in the store of how far the log is folded to the next."""


class _Stopped(Exception):
    """An event stops the projection."""

    def __init__(self, position: int) -> None:
        super().__init__(position)
        self.position = position


class LogFiller:
    """Fills the generations of one projection, in this process or, from a long log, in others."""

    def __init__(
        self,
        store: ProjectionStore,
        log: EventLog,
        *,
        limits: FillingLimits | None = None,
        breaker: BreakerLimits | None = None,
        elsewhere: RangeFiller | None = None,
        here: RangeFiller | None = None,
        partitions: int = 1,
    ) -> None:
        """
        :param elsewhere: fills the ranges of a long log, in processes of their own.
        :param here: fills those of a short one, instead of a reading for each.
        :param partitions: of which the projection is in one, where others share the readings.
        """
        self._store = store
        self._log = log
        self._limits = limits or FillingLimits()
        self._breaker = breaker
        self._here = here or self._lone(breaker)
        self._elsewhere = elsewhere
        self._partitions = partitions

    async def fill(self, pointer: Pointer, *, report: Report) -> int:
        survey = await self._store.model.survey()
        checkpoint = survey.at(pointer).checkpoint
        if checkpoint is None or checkpoint.position:
            raise Superseded(f"generation {pointer.generation} is not to be filled any more")
        weight = self._limits.beside if survey.live else self._limits.alone
        writer, before = FillWriter(self._store, pointer.generation, checkpoint), 0
        while found := await self._found(writer.checkpoint.filling, before=before):
            at_once = self._at_once(found.until, beside=survey.live is not None)
            filling = await self._begun(writer, found, at_once, trimmed=self._trimmed(survey, found.until))
            if before := await self._stopped(writer, filling, report, at_once=at_once, weight=weight):
                continue
            async with self._log.connect() as reader:
                count = (await reader.identity(position=filling.until)).count
                is_as_it_was = not filling.done or await _is_as_it_was(filling, reader)
            if is_as_it_was:
                await writer.end(count=count)
                return filling.until
        return 0

    def _lone(self, breaker: BreakerLimits | None) -> RangeFiller:
        label = self._store.projection.label
        reading = FoldingReading({label: self._store}, self._log, piece=self._limits.piece, breaker=breaker)
        return LoneReading(label, reading)

    def _trimmed(self, survey: Survey, until: int) -> int:
        """Return up to where to keep nothing: what readers cannot have any more does not come back."""
        if (retention := self._store.projection.retention) is None:
            return 0
        live = survey.at(survey.live).checkpoint
        return max(retention.by_count(until), live.trimmed if live else 0)

    async def _found(self, known: Filling | None, *, before: int) -> Filling | None:
        """
        Look up to where the log can be folded now, and whether another filling can be gone on with; None for nothing.

        :param before: what stops the projection, if anything does.
        """
        code = code_version(self._store.projection)
        async with self._log.connect() as reader:
            until = await reader.last(until=before - 1 if before else await reader.horizon())
            is_usable = known and known.done and known.code == code and known.until <= until
            if known and is_usable and await _is_as_it_was(known, reader):
                return known
            event_id = (await reader.identity(position=until)).event_id
        return Filling(until, event_id, 0, code) if until else None

    async def _begun(self, writer: FillWriter, found: Filling, at_once: int, *, trimmed: int) -> Filling:
        """Go on where another has ended, or begin anew: in any case no commit of another succeeds any more."""
        if found.done:
            await writer.take_over()
            return found
        filling = msgspec.structs.replace(found, of=self._ranges(found.until, at_once))
        await writer.begin(filling, trimmed=trimmed)
        return filling

    def _ranges(self, until: int, at_once: int) -> int:
        """Return in how many ranges a log of at most so many events is folded, of which so many at once."""
        if not self._store.projection.ranged_by:
            return 1
        if self._partitions > 1:
            at_once = 1
        return min(MOST_RANGES, at_once * -(-until // (self._partitions * self._limits.events)))

    def _at_once(self, until: int, *, beside: bool) -> int:
        """Return how many readings are under way at once; fewer where others need the processors too."""
        if self._filler(until) is self._here:
            return 1
        return min(self._limits.processes, -(-until // self._limits.each)) if beside else self._limits.processes

    def _filler(self, until: int) -> RangeFiller:
        return self._elsewhere if self._elsewhere and until > self._limits.here else self._here

    async def _stopped(self, writer: FillWriter, filling: Filling, report: Report, *, at_once: int, weight: int) -> int:
        """Fill all ranges that are not; return the position of an event that stops the projection, 0 for none."""
        filler, progress = self._filler(filling.until), _RangeProgress(writer, filling, report, every=self._limits.note)
        breaker = CircuitBreaker(projection=self._store.projection.name, limits=self._breaker)

        async def fill(nth: int) -> None:
            order = RangeOrder(
                generation=writer.generation,
                until=filling.until,
                nth=nth,
                of=filling.of,
                weight=weight,
                at_once=at_once,
            )
            outcome = await filler.fill(order, turn=writer.turn, report=partial(progress.report, nth))
            if outcome.stopped:
                raise _Stopped(outcome.stopped)
            parking = await writer.end_range(nth, outcome.parking)
            breaker.check(failed=0, parked=len(parking.events))

        left = [partial(fill, nth) for nth in range(filling.of) if nth not in filling.done]
        try:
            await side_by_side(left, at_once=at_once if self._partitions == 1 else 1)
        except _Stopped as stopped:
            return stopped.position
        return 0


class _RangeProgress:
    """How far each range is."""

    def __init__(self, writer: FillWriter, filling: Filling, report: Report, *, every: float) -> None:
        """:param every: seconds from one note of it in the store to the next."""
        self._writer = writer
        self._report = report
        self._every = every
        self._noted = perf_counter()
        self._folded = [filling.until if nth in filling.done else 0 for nth in range(filling.of)]

    async def report(self, nth: int, piece: Piece) -> None:
        self._folded[nth] = piece.position
        if piece.events and (now := perf_counter()) - self._noted >= self._every:
            self._noted = now
            await self._writer.note(sum(self._folded) // len(self._folded))
        await self._report(piece)


async def _is_as_it_was(filling: Filling, reader: EventReader) -> bool:
    """Whether what ranges were filled from is what others would be: nothing of it was taken back, nor anyone erased."""
    identity = await reader.identity(position=filling.until)
    return identity.event_id == filling.event_id and await reader.erasure(after=filling.until) is None
