"""One commit: read what it touches, fold, store what comes of it."""

from collections.abc import Sequence

from projector.documents import Envelopes, Sweeping
from projector.fold import Folded, Folder
from projector.ports import Commit, EventNotFoldable, ReadModel
from projector.projection import Key
from shared.event_log import RecordedEvent
from shared.records import Checkpoint

ROUNDS = 3
"""How often a projection may ask for further documents."""

MOST_WRITES = 4_000
"""What one commit may write unless a single event wants more: no reader waits long for it."""


async def commit_next(
    events: Sequence[RecordedEvent],
    *,
    folder: Folder,
    model: ReadModel,
    generation: str,
    after: Checkpoint,
    sweeping: Sequence[Sweeping] = (),
) -> Folded:
    """
    Commit the first of the events, as many as can be folded and are not too much at once.

    :param events: those that follow the checkpoint `after`.
    :param sweeping: the sweeps of that checkpoint.
    :raises Superseded: the generation does not reflect the log up to `after`, or does no more.
    :raises EventNotFoldable: the first event cannot be folded.
    """
    async with model.commit(generation, expected=after) as commit:
        envelopes = await _prefetch(events, folder=folder, commit=commit)
        try:
            folded = _fold(events, folder, envelopes, after, sweeping)
        except EventNotFoldable:
            # It may be no wonder: somebody else may have committed between our reads.
            await commit.confirm()
            raise
        await commit.apply(folded.batch)
    return folded


async def sweep_next(
    sweeping: Sequence[Sweeping],
    *,
    folder: Folder,
    model: ReadModel,
    generation: str,
    after: Checkpoint,
    limit: int,
) -> Folded:
    """
    Commit what the first of the sweeps under way makes of the next documents on its way.

    :param sweeping: the sweeps of the checkpoint `after`.
    :param limit: how many documents.
    :raises Superseded: the generation does not reflect the log up to `after`, or does no more.
    """
    first = sweeping[0]
    async with model.commit(generation, expected=after) as commit:
        way = first.fan_out
        entries = await commit.entries(way.by, prefix=way.prefix, after=first.sweep.done, limit=limit)
        documents = list(dict.fromkeys(map(way.key, entries)))
        envelopes = await commit.fetch(documents) if documents else {}
        folded = folder.sweep(entries, envelopes, after=after, sweeping=sweeping)
        while folded.batch.weight > MOST_WRITES and len(entries) > 1:
            entries = entries[: len(entries) // 2]
            folded = folder.sweep(entries, envelopes, after=after, sweeping=sweeping)
        await commit.apply(folded.batch)
    return folded


def _fold(
    events: Sequence[RecordedEvent],
    folder: Folder,
    envelopes: Envelopes,
    after: Checkpoint,
    sweeping: Sequence[Sweeping],
) -> Folded:
    """Fold half as many events, and half of those, until it is not too much for one commit."""
    folded = folder.fold(events, envelopes, after=after, sweeping=sweeping)
    while folded.batch.weight > MOST_WRITES and len(events) > 1:
        events = events[: len(events) // 2]
        folded = folder.fold(events, envelopes, after=after, sweeping=sweeping)
    return folded


async def _prefetch(events: Sequence[RecordedEvent], *, folder: Folder, commit: Commit) -> Envelopes:
    """Read what the events touch; what is still wanted after the last round, the fold will miss and name."""
    envelopes: dict[Key, bytes | None] = {}
    for _ in range(ROUNDS):
        if not (wanted := folder.wanted(events, envelopes)):
            break
        envelopes.update(await commit.fetch(wanted))
    return envelopes
