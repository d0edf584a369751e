"""Drop what a projection keeps no longer, in commits of their own."""

from datetime import datetime

from projector.declaring.retention import Retention
from projector.folding.batch import Batch
from projector.processing.commit import GenerationWriter, Standing
from shared.read_model.envelope import unseal
from shared.read_model.positions import Checkpoint

STEP = 32
"""Documents that are looked at, or dropped, in one commit."""


async def trim_next(
    writer: GenerationWriter, standing: Standing, retention: Retention, *, now: datetime
) -> Checkpoint | None:
    """
    Trim the next documents that are too old or too many; None if there is nothing to do.

    Readers learn first up to where it is trimmed; the documents go one commit later. So whatever a crash leaves of a
    commit, nothing is missing behind the position that the checkpoint names.
    """
    after = standing.checkpoint
    candidates = retention.next_of(after.trimmed, until=after.position, limit=STEP)
    async with writer.begin(standing, documents=candidates) as opened:
        decode, fetched = writer.fold.codecs[retention.kind.name].record, opened.commit.fetched
        records = {key: decode(unseal(sealed)) for key, sealed in fetched.items() if sealed is not None}
        trimmed = retention.trimmed(candidates, records, position=after.position, now=now) or after.trimmed
        gone = retention.next_of(after.emptied, until=after.trimmed, limit=STEP)
        if not gone and trimmed == after.trimmed:
            return None
        checkpoint = after.revised(trimmed=trimmed, emptied=retention.end_of(gone[-1]) if gone else after.emptied)
        await opened.commit.apply(Batch(forgotten=gone, checkpoint=checkpoint))
    return checkpoint
