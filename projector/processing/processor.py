"""The loop that feeds one generation: read, fold, commit, and survey the store anew when it is not as expected."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import dataclass, replace
from time import perf_counter

from projector.declaring.errors import EventNotFoldable
from projector.declaring.fan_out import RunningFanOut
from projector.folding.code_version import code_version
from projector.folding.fold import MOST_FAN_OUTS, MOST_WRITES, ProjectionFold
from projector.leadership.election import Leadership
from projector.processing.circuit_breaker import CircuitBreaker, TooManyParked
from projector.processing.commit import GenerationWriter, Standing
from projector.processing.commit_order import CommitOrder
from projector.processing.filling import Filler, Piece
from projector.processing.fork_check import ForkCheck, LogForked
from projector.processing.limits import ProcessorLimits
from projector.processing.moving_on import CheckpointMover, Resting
from projector.processing.progress import GenerationRole, ProjectionProgress
from projector.processing.recovery import Recovery
from projector.processing.retry import retry_next
from projector.processing.trimming import trim_next
from projector.store.errors import GenerationDamaged, Superseded
from projector.store.generations import Survey
from projector.store.hints import CLOSED, broken
from projector.store.ports import ProjectionStore
from shared.clock import Clock
from shared.event_log import EventFollower, EventLog, RecordedEvent
from shared.event_log.tap import EventTap, TapFollower, TopicFollower
from shared.observability.tracing import record_commit
from shared.read_model.positions import Checkpoint, FanOutProgress, Pointer
from shared.runtime.cancellation import is_cancelled, to_the_end


@dataclass(frozen=True, slots=True, kw_only=True)
class Feed:
    """Everything by which the generations of one projection are fed."""

    store: ProjectionStore
    log: EventLog
    tap: EventTap
    """By which the processors of one process read the log."""
    order: CommitOrder
    """Of the commits of one process."""
    leadership: Leadership
    filler: Filler
    clock: Clock
    limits: ProcessorLimits
    mover: CheckpointMover | None = None
    """Moves the checkpoint past what does not concern it; there where it is one of several partitions."""

    def follow(self) -> AbstractAsyncContextManager[TapFollower]:
        """Follow the log, or what of it concerns the partition."""
        return self.tap.connect_to(self.store.projection.label) if self.mover else self.tap.connect()


BESIDE_OTHERS = 4
"""How many times less a commit of a rebuild does: the live generation is fed by the same process, and waits for it."""


class Processor:
    """Feed one generation for as long as it is there."""

    def __init__(
        self,
        pointer: Pointer,
        feed: Feed,
        *,
        progress: ProjectionProgress,
        after_commit: Callable[[float], Awaitable[None]],
    ) -> None:
        """:param after_commit: called after each commit of events with the seconds it took; may have the loop rest."""
        self._pointer = pointer
        self._feed = feed
        self.progress = progress
        self._after_commit = after_commit
        self._name = feed.store.projection.label
        self._fold = ProjectionFold(feed.store.projection, code=code_version(feed.store.projection))
        self._writer = GenerationWriter(
            fold=self._fold,
            model=feed.store.model,
            generation=pointer.generation,
            breaker=CircuitBreaker(projection=self._name, limits=feed.limits.breaker),
        )
        self._fork_check = ForkCheck(projection=self._name, recent=feed.limits.recounted)
        self._recovery = Recovery(progress, feed.limits)
        self._idle = feed.limits.idle(times=3)
        self._given_up: TooManyParked | None = None
        self._size = feed.limits.batch
        self._read: Sequence[RecordedEvent] = ()
        self._read_after = 0
        """Events that follow a position and wait for their commit: each is decoded once."""
        self._may_go_on = asyncio.Event()
        self._may_go_on.set()
        self._verified = self._committed = self._trim_at = float("-inf")
        self._observed = (float("-inf"), Survey())

    async def run(self) -> None:
        """Feed while this process leads, until cancelled."""
        await self._recovery.repeat(self._turn)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Begin no further commit meanwhile."""
        self._may_go_on.clear()
        try:
            yield
        finally:
            self._may_go_on.set()

    def observe(self, survey: Survey, *, since: float) -> None:
        """
        Compare the store with what was left there, once there is nothing to commit.

        :param since: when the survey was begun, by `perf_counter`.
        """
        self._observed = (since, survey)

    async def _turn(self) -> None:
        if not self._feed.leadership.is_held:
            self.progress.stand_by()
            await self._feed.leadership.begun()
        if await self._is_to_be_filled() and await self._fill():
            return
        self._read = ()  # by a session that is over: the log may be another one
        async with self._feed.follow() as reader:
            await self._feed_while_leading(reader)

    async def _is_to_be_filled(self) -> bool:
        return (await self._feed.store.model.survey()).is_to_be_filled(self._pointer)

    async def _fill(self) -> bool:
        """
        Have the generation filled, and return whether it reflects anything now.

        :raises TooManyParked: it was found once that it must be the code.
        """
        if self._given_up:
            raise self._given_up
        self.progress.go_on()
        await self._feed.store.model.attest()
        try:
            self.progress.reached = await self._feed.filler.fill(self._pointer, report=self._filled)
        except TooManyParked as error:
            self._given_up = error
            raise
        except Superseded as error:
            self.progress.superseded(error)
            await self._recovery.backoff.pause()
            return True
        await self._after_commit(0.0)
        return self.progress.reached > 0

    async def _filled(self, piece: Piece) -> None:
        self.progress.folded(events=piece.events)
        await self._after_commit(piece.seconds)

    async def _feed_while_leading(self, reader: EventFollower) -> None:
        standing, attested = None, float("-inf")
        while self._feed.leadership.is_held and not is_cancelled():
            if perf_counter() - attested > self._feed.limits.attest:
                await self._feed.store.model.attest()
                attested = perf_counter()
            try:
                standing = await self._pass(reader, standing or await self._stand(reader))
            except Superseded as error:
                self.progress.superseded(error)
                standing = None
                await self._recovery.backoff.pause()
                if await self._is_to_be_filled():
                    return

    async def _pass(self, reader: EventFollower, standing: Standing) -> Standing:
        """
        Take a step of the first fan-out, and the next events: neither waits for all of the other.

        Events wait for what is parked and due, and that for the end of all fan-outs.
        """
        await self._may_go_on.wait()
        if standing.fan_outs:
            standing = await self._fan_out(standing)
        if standing.is_due and not standing.fan_outs:
            standing = await self._retry_parked(reader, standing)
        events = () if standing.is_due else await self._next_events(reader, standing)
        if events:
            standing = await self._commit_what_can_be_folded(standing, events)
            self._idle.reset()
        else:
            self._verify(standing)
        standing = await self._trim(standing)
        self.progress.stand(standing.checkpoint)
        self._recovery.backoff.reset()
        if not (standing.fan_outs or standing.is_due or self._has_more(events, reader)):
            standing = await self._wait(reader, standing)
        return standing

    def _has_more(self, events: Sequence[RecordedEvent], reader: EventFollower) -> bool:
        """Whether the log is likely to have more than these events."""
        return bool(events) and (bool(self._read) or reader.has_more)

    async def _wait(self, reader: EventFollower, standing: Standing) -> Standing:
        """Return where it stands then: the checkpoint may have been moved past what does not concern the partition."""
        if self._feed.mover is None or not isinstance(reader, TopicFollower):
            await self._rest(reader)
            return standing
        resting = Resting(
            label=self._name,
            generation=self._pointer.generation,
            reader=reader,
            checkpoint=standing.checkpoint,
            may_go_on=lambda: self._may_go_on.is_set() and self._feed.leadership.is_held,
            moved=self._moved,
        )
        async with self._feed.mover.moving(resting):
            await self._rest(reader)
        if resting.is_superseded:
            raise Superseded("the checkpoint was moved by another writer")
        return replace(standing, checkpoint=resting.checkpoint)

    def _moved(self, checkpoint: Checkpoint) -> None:
        self._verified = perf_counter()
        self._fork_check.passed(checkpoint)
        self.progress.stand(checkpoint)

    async def _rest(self, reader: EventFollower) -> None:
        if await reader.wait(seconds=self._idle.next()):
            self._idle.reset()

    async def _next_events(self, reader: EventFollower, standing: Standing) -> Sequence[RecordedEvent]:
        if len(standing.fan_outs) >= MOST_FAN_OUTS:
            return ()
        if (early := self._committed + self._feed.limits.interval - perf_counter()) > 0:
            await asyncio.sleep(early)
        if not self._goes_first:
            await self._feed.order.let_others_go_first(within=self._feed.limits.patience)
        if not self._read or standing.checkpoint.position != self._read_after:
            self._read = await reader.read(after=standing.checkpoint.position, limit=self._feed.limits.batch)
            self._read_after = standing.checkpoint.position
        return self._read[: self._size]

    @property
    def _goes_first(self) -> bool:
        """Whether readers wait for each commit."""
        return self.progress.is_measured and not self._feed.limits.interval

    async def _commit_what_can_be_folded(self, standing: Standing, events: Sequence[RecordedEvent]) -> Standing:
        """Commit; an event that stops the projection does so only once what came before it has been fanned out."""
        try:
            return await self._commit(standing, events)
        except EventNotFoldable:
            if not standing.fan_outs:
                raise
            return standing

    async def _commit(self, standing: Standing, events: Sequence[RecordedEvent]) -> Standing:
        began = perf_counter()
        commit = self._writer.commit_events(events, standing, most=self._at_once(MOST_WRITES))
        with self._feed.order.under_way():
            folded = await to_the_end(commit)
        applied = folded.applied
        self._verified = self._committed = perf_counter()
        self._size = self._fitting(applied, folded.batch.weight) if applied == len(events) else max(1, applied)
        self.progress.committed(folded.batch, events=applied, seconds=self._verified - began)
        self._trace(events[:applied], seconds=self._verified - began)
        self._fork_check.passed(folded.batch.checkpoint)
        self._read, self._read_after = self._read[applied:], folded.batch.checkpoint.position
        self.progress.lag = self._feed.clock.now() - events[applied - 1].occurred_at
        await self._after_commit(self._verified - began)
        return standing.after(folded)

    def _trace(self, events: Sequence[RecordedEvent], *, seconds: float) -> None:
        """Trace a commit, unless it is one of a rebuild: the commands of its events are long done."""
        if self.progress.is_measured:
            commands = (each.metadata.traceparent for each in events)
            position = events[-1].position
            record_commit(self._name, commands, position=position, events=len(events), seconds=seconds)

    def _fitting(self, events: int, weight: int) -> int:
        """How many events are likely to be just enough for a commit, going by the last one."""
        return max(1, min(self._feed.limits.batch, events * self._at_once(MOST_WRITES) // max(1, weight)))

    def _at_once(self, most: int) -> int:
        return most // BESIDE_OTHERS if self.progress.role is GenerationRole.BUILDING else most

    async def _fan_out(self, standing: Standing) -> Standing:
        began = perf_counter()
        limit = self._at_once(self._feed.limits.fan_out)
        folded = await self._writer.commit_fan_out(standing, limit=limit)
        self._verified = perf_counter()
        self.progress.fanned_out(folded.batch)
        await self._after_commit(self._verified - began)
        return standing.after(folded)

    async def _retry_parked(self, reader: EventFollower, standing: Standing) -> Standing:
        limit, self._read = self._feed.limits.batch, ()  # the reader goes on from what is parked
        folded = await retry_next(reader, self._writer, standing, limit=limit)
        self._verified = perf_counter()
        return replace(standing, is_due=False) if folded is None else standing.after(folded)

    async def _trim(self, standing: Standing) -> Standing:
        """Drop what is not kept any longer: a step at a time, and once there is nothing to drop not for a while."""
        retention = self._fold.projection.retention
        if retention is None or perf_counter() < self._trim_at:
            return standing
        checkpoint = await trim_next(self._writer, standing, retention, now=self._feed.clock.now())
        if checkpoint is None:
            self._trim_at = perf_counter() + self._feed.limits.trim
            return standing
        self._verified = perf_counter()
        return replace(standing, checkpoint=checkpoint)

    def _verify(self, standing: Standing) -> None:
        """With nothing to commit, nothing else would notice that Redis was emptied or came back older."""
        self.progress.caught_up()
        since, survey = self._observed
        if since > self._verified and self._checkpoint_in(survey) != standing.checkpoint:
            raise Superseded("the store is not as it was left")

    async def _stand(self, reader: EventFollower) -> Standing:
        """Take what the store says, having made sure that it can be gone on from."""
        self._verified = perf_counter()
        checkpoint = self._checkpoint_in(await self._feed.store.model.survey())
        await self._fork_check.require(reader, checkpoint)
        fan_outs = [await self._taken_up(progress, reader) for progress in checkpoint.fan_outs]
        return Standing(checkpoint, fan_outs, is_due=checkpoint.parked > 0)

    def _checkpoint_in(self, survey: Survey) -> Checkpoint:
        if self._pointer not in survey.fed:
            raise Superseded(f"generation {self._pointer.generation} is not fed any more")
        if survey.access == "closed":
            raise Superseded(CLOSED)
        checkpoint, damaged = survey.at(self._pointer)
        if damaged:
            raise GenerationDamaged(damaged)
        if checkpoint is None:
            why = f"generation {self._pointer.generation} has lost its checkpoint"
            raise GenerationDamaged(broken(self._name, why))
        return checkpoint

    async def _taken_up(self, progress: FanOutProgress, reader: EventFollower) -> RunningFanOut:
        """Take up a fan-out that was under way when the generation was left: the log has what it does."""
        for recorded in await reader.read(after=progress.position - 1, limit=1):
            if recorded.position == progress.position and (fan_out := self._fold.fan_out_of(recorded)):
                return RunningFanOut(progress, fan_out, recorded.occurred_at)
        why = f"what is under way from position {progress.position} is not in the log"
        raise LogForked(broken(self._name, why))
