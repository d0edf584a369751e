"""One commit: read what the events touch, fold them, store what they make of it."""

from collections.abc import Sequence

from projector.fold import Envelopes, Folder
from projector.ports import Batch, Commit, EventNotFoldable, ReadModel
from projector.projection import Key
from shared.event_log import RecordedEvent
from shared.records import Checkpoint

ROUNDS = 3
"""How often a projection may ask for further documents."""


async def commit_next(
    events: Sequence[RecordedEvent], *, folder: Folder, model: ReadModel, generation: str, after: Checkpoint
) -> Batch:
    """
    Commit the first of the events, as many as can be folded; returns what was committed.

    :param events: those that follow the checkpoint `after`.
    :raises Superseded: the generation does not reflect the log up to `after`, or does no more.
    :raises EventNotFoldable: the first event cannot be folded.
    """
    async with model.commit(generation, expected=after) as commit:
        envelopes = await _prefetch(events, folder=folder, commit=commit)
        try:
            batch = folder.fold(events, envelopes, after=after)
        except EventNotFoldable:
            # It may be no wonder: somebody else may have committed between our reads.
            await commit.confirm()
            raise
        await commit.apply(batch)
    return batch


async def _prefetch(events: Sequence[RecordedEvent], *, folder: Folder, commit: Commit) -> Envelopes:
    """Read what the events touch; what is still wanted after the last round, the fold will miss and name."""
    envelopes: dict[Key, bytes | None] = {}
    for _ in range(ROUNDS):
        if not (wanted := folder.wanted(events, envelopes)):
            break
        envelopes.update(await commit.fetch(wanted))
    return envelopes
