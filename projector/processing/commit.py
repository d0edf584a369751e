"""One commit: fetch what the events touch, fold, store what comes of it."""

from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import NamedTuple

from projector.declaring.documents import Key
from projector.declaring.errors import EventNotFoldable
from projector.declaring.fan_out import RunningFanOut
from projector.declaring.plan import Plan
from projector.folding.fold import MOST_WRITES, Basis, Folded, ProjectionFold
from projector.processing.circuit_breaker import CircuitBreaker
from projector.store.codec import parking_at
from projector.store.ports import Commit, ReadModel
from shared.event_log import RecordedEvent
from shared.read_model.positions import Checkpoint


@dataclass(frozen=True, slots=True)
class Standing:
    """The believed state of a generation; every commit finds out whether it is so."""

    checkpoint: Checkpoint
    fan_outs: Sequence[RunningFanOut] = ()
    """The fan-outs of the checkpoint, and what they do."""
    is_due: bool = False
    """Whether something that is parked is (or may be) to be tried by this code."""

    def after(self, folded: Folded) -> "Standing":
        return replace(self, checkpoint=folded.batch.checkpoint, fan_outs=folded.fan_outs, is_due=folded.is_due)


class OpenCommit(NamedTuple):
    """A commit in the making, what it goes on from, and names under which older states of what is parked are kept."""

    commit: Commit
    basis: Basis
    outdated: Collection[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationWriter:
    """
    Writes one generation, commit by commit.

    Whatever is written raises `Superseded` if the generation does not stand where it should, or does no more, and
    `TooManyParked` if the circuit breaker is open.
    """

    fold: ProjectionFold
    model: ReadModel
    generation: str
    breaker: CircuitBreaker | None = None

    @property
    def plan(self) -> Plan:
        return self.fold.projection.plan

    async def commit_events(
        self, events: Sequence[RecordedEvent], standing: Standing, *, most: int = MOST_WRITES
    ) -> Folded:
        """
        Commit the first of the events, as many as can be folded and are not too much at once.

        :param events: those that follow its checkpoint.
        :param most: what it may write, unless a single event wants more.
        :raises EventNotFoldable: the first event can neither be folded nor parked.
        """
        async with self.begin(standing, documents=self.plan.wanted(events)) as opened:
            try:
                folded = self.fold.fold(events, opened.commit.fetched.__getitem__, opened.basis, most=most)
            except EventNotFoldable:
                # Another projector may have committed between our reads.
                await opened.commit.confirm()
                raise
            await self.store(folded, opened)
        return folded

    async def commit_fan_out(self, standing: Standing, *, limit: int) -> Folded:
        """
        Commit what the first of the fan-outs under way makes of the next documents on its way.

        :param limit: how many documents.
        """
        first = standing.fan_outs[0]
        progress, way, _ = first
        async with self.begin(standing) as opened:
            entries = await opened.commit.entries(way.by, prefix=way.prefix, after=progress.done, limit=limit)
            documents = list(dict.fromkeys(map(way.key, entries)))
            envelopes = await opened.commit.fetch(documents) if documents else {}
            batch = self.fold.batch(envelopes.__getitem__, opened.basis)
            all(batch.bring(first, entry) for entry in entries)
            await self.store(folded := batch.fanned_out(entries), opened)
        return folded

    @asynccontextmanager
    async def begin(self, standing: Standing, *, documents: Collection[Key] = ()) -> AsyncIterator[OpenCommit]:
        """Begin a commit, and read some documents, and what is parked, if anything is."""
        after = standing.checkpoint
        async with self.model.commit(self.generation, expected=after, documents=documents) as commit:
            parking = parking_at(after, commit.parked, projection=self.fold.projection.name)
            outdated = commit.parked.keys() - {str(after.parked)}
            yield OpenCommit(commit, Basis(after, standing.fan_outs, parking), outdated)

    async def store(self, folded: Folded, opened: OpenCommit) -> None:
        """Apply what was folded, unless it parks too much: what waits behind a failed event counts as well."""
        if self.breaker and (folded.failed or len(folded.parking.events) > len(opened.basis.parking.events)):
            await opened.commit.confirm()
            self.breaker.check(failed=folded.failed, parked=len(folded.parking.events))
        # What a crash left under the name that is written now is no older state.
        outdated = [each for each in opened.outdated if each not in folded.batch.parked]
        await opened.commit.apply(replace(folded.batch, outdated=outdated) if outdated else folded.batch)
