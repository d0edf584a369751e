"""One commit: fetch what the events touch, fold, store what comes of it."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import NamedTuple

from projector.folding.document_session import Envelopes
from projector.folding.documents import Key
from projector.folding.errors import EventNotFoldable
from projector.folding.fan_out import RunningFanOut
from projector.folding.fold import BatchFold, Folded
from projector.folding.parking import NOTHING, Parking
from projector.processing.circuit_breaker import CircuitBreaker
from projector.store.codec import parking_at
from projector.store.ports import Commit, ReadModel
from shared.event_log import RecordedEvent
from shared.read_model.positions import Checkpoint

ROUNDS = 3
"""How often a projection may ask for further documents."""

MOST_WRITES = 4_000
"""What one commit may write unless a single event wants more: no reader waits long for it."""


async def commit_next(
    events: Sequence[RecordedEvent],
    *,
    batch_fold: BatchFold,
    model: ReadModel,
    generation: str,
    after: Checkpoint,
    fan_outs: Sequence[RunningFanOut] = (),
    breaker: CircuitBreaker | None = None,
) -> Folded:
    """
    Commit the first of the events, as many as can be folded and are not too much at once.

    :param events: those that follow the checkpoint `after`.
    :param fan_outs: the fan-outs of that checkpoint.
    :raises Superseded: the generation does not reflect the log up to `after`, or does no more.
    :raises EventNotFoldable: the first event can neither be folded nor parked.
    :raises TooManyParked: the circuit breaker is open.
    """
    async with model.commit(generation, expected=after) as commit:
        before = await read_parked(commit, after, batch_fold=batch_fold)
        envelopes = await prefetch(events, batch_fold=batch_fold, commit=commit)
        try:
            folded = _fold(events, batch_fold, envelopes, after=after, fan_outs=fan_outs, parking=before.parking)
        except EventNotFoldable:
            # Another projector may have committed between our reads.
            await commit.confirm()
            raise
        await store(folded, commit=commit, before=before, breaker=breaker)
    return folded


async def fan_out_next(
    fan_outs: Sequence[RunningFanOut],
    *,
    batch_fold: BatchFold,
    model: ReadModel,
    generation: str,
    after: Checkpoint,
    limit: int,
    breaker: CircuitBreaker | None = None,
) -> Folded:
    """
    Commit what the first of the fan-outs under way makes of the next documents on its way.

    :param fan_outs: the fan-outs of the checkpoint `after`.
    :param limit: how many documents.
    :raises Superseded: the generation does not reflect the log up to `after`, or does no more.
    :raises TooManyParked: the circuit breaker is open.
    """
    first = fan_outs[0]
    async with model.commit(generation, expected=after) as commit:
        before = await read_parked(commit, after, batch_fold=batch_fold)
        way = first.fan_out
        entries = await commit.entries(way.by, prefix=way.prefix, after=first.progress.done, limit=limit)
        documents = list(dict.fromkeys(map(way.key, entries)))
        envelopes = await commit.fetch(documents) if documents else {}
        folded = batch_fold.fan_out(entries, envelopes, after=after, fan_outs=fan_outs, parking=before.parking)
        while folded.batch.weight > MOST_WRITES and len(entries) > 1:
            entries = entries[: len(entries) // 2]
            folded = batch_fold.fan_out(entries, envelopes, after=after, fan_outs=fan_outs, parking=before.parking)
        await store(folded, commit=commit, before=before, breaker=breaker)
    return folded


class ParkedState(NamedTuple):
    """What is parked at the checkpoint, and names under which older states of it are kept."""

    parking: Parking
    outdated: Collection[str]


async def read_parked(commit: Commit, after: Checkpoint, *, batch_fold: BatchFold) -> ParkedState:
    """Read what is parked, if anything is."""
    if not after.parked:
        return ParkedState(NOTHING, ())
    stored = await commit.parked()
    parking = parking_at(after, stored, projection=batch_fold.projection.name)
    return ParkedState(parking, stored.keys() - {str(after.parked)})


async def store(folded: Folded, *, commit: Commit, before: ParkedState, breaker: CircuitBreaker | None = None) -> None:
    """Apply what was folded, unless it parks too much: what waits behind a failed event counts as well."""
    if breaker and (folded.failed or len(folded.parking.events) > len(before.parking.events)):
        await commit.confirm()
        breaker.check(failed=folded.failed, parked=len(folded.parking.events))
    # What a crash left under the name that is written now is no older state.
    outdated = [each for each in before.outdated if each not in folded.batch.parked]
    await commit.apply(replace(folded.batch, outdated=outdated))


async def prefetch(events: Sequence[RecordedEvent], *, batch_fold: BatchFold, commit: Commit) -> Envelopes:
    """Read what the events touch; what is still wanted after the last round, the fold will miss and name."""
    envelopes: dict[Key, bytes | None] = {}
    for _ in range(ROUNDS):
        if not (wanted := batch_fold.wanted(events, envelopes)):
            break
        envelopes.update(await commit.fetch(wanted))
    return envelopes


def _fold(
    events: Sequence[RecordedEvent],
    batch_fold: BatchFold,
    envelopes: Envelopes,
    *,
    after: Checkpoint,
    fan_outs: Sequence[RunningFanOut],
    parking: Parking,
) -> Folded:
    """Fold half as many events, and half of those, until it is not too much for one commit."""
    folded = batch_fold.fold(events, envelopes, after=after, fan_outs=fan_outs, parking=parking)
    while folded.batch.weight > MOST_WRITES and len(events) > 1:
        events = events[: len(events) // 2]
        folded = batch_fold.fold(events, envelopes, after=after, fan_outs=fan_outs, parking=parking)
    return folded
