"""Retry parked events: read them from the log once more, in their order, and fold or drop them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from projector.declaring.documents import Key, Kind
from projector.declaring.index_entries import OwnedEntry, UniqueEntry
from projector.folding.batch import Batch
from projector.folding.fold import Folded
from projector.folding.parking import Parked
from projector.processing.commit import GenerationWriter, OpenCommit, Standing
from projector.processing.fork_check import LogForked
from projector.store.hints import broken
from projector.store.writes import unique_entries_in
from shared.event_log import EventFollower, RecordedEvent
from shared.read_model.envelope import unseal

NEIGHBOURS = 100
"""Events that are read in one go: those of one queue often lie close together."""


async def retry_next(
    reader: EventFollower, writer: GenerationWriter, standing: Standing, *, limit: int
) -> Folded | None:
    """
    Commit what becomes of the first parked events that are due, while no fan-out is under way; None if none are.

    :param limit: how many of them.
    :raises LogForked: an event that is parked is not in the log.
    """
    projection, code = writer.fold.projection, writer.fold.code
    async with writer.begin(standing) as opened:
        if not (parked := opened.basis.parking.due(code)[:limit]):
            return None
        due = await _recorded(parked, reader, projection=projection.name)
        wanted = writer.plan.wanted([recorded for _, recorded in due])
        envelopes = await opened.commit.fetch(wanted.union(*(each.documents for each, _ in due)))
        batch = writer.fold.batch(envelopes.__getitem__, opened.basis)
        all(batch.retry(*each) for each in due)
        folded = batch.folded()
        folded = folded._replace(batch=await _without_taken_since(folded, opened, kinds=projection.kinds))
        await writer.store(folded, opened)
    return folded


async def _recorded(
    parked: Iterable[Parked], reader: EventFollower, *, projection: str
) -> Sequence[tuple[Parked, RecordedEvent]]:
    known: dict[int, RecordedEvent] = {}
    pairs = []
    for each in parked:
        if each.position not in known:
            read = await reader.read(after=each.position - 1, limit=NEIGHBOURS)
            known = {recorded.position: recorded for recorded in read}
        if each.position not in known:
            why = f"the event that is parked at position {each.position} is not in the log"
            raise LogForked(broken(projection, why))
        pairs.append((each, known[each.position]))
    return pairs


async def _without_taken_since(folded: Folded, opened: OpenCommit, *, kinds: Sequence[Kind[Any]]) -> Batch:
    """
    Return the batch without unique entries that others have taken after the events that were retried.

    An owner that reflects the whole log has its entry in truth. Of two that do not, the one that reflects a later
    position has taken it later: the other has left it in between, or will have as soon as the rest of its events is
    folded.
    """
    batch = folded.batch
    rivals = _rivals(batch, await opened.commit.owners(unique_entries_in(batch.additions)))
    if not rivals:
        return batch
    theirs = _latest(await opened.commit.fetch({kind.key(rival) for kind in kinds for rival in rivals.values()}))
    ours = _latest(batch.full)
    was_behind, is_behind = _ids(opened.basis.parking.concerned()), _ids(folded.parking.concerned())

    def is_lost(addition: OwnedEntry) -> bool:
        if (rival := rivals.get(addition)) is None:
            return False
        _, owner = addition
        return rival not in was_behind or (owner in is_behind and theirs.get(rival, 0) > ours[owner])

    return replace(batch, additions=[each for each in batch.additions if not is_lost(each)])


def _rivals(batch: Batch, owners: Mapping[UniqueEntry, str | None]) -> Mapping[OwnedEntry, str]:
    """Return who else owns an entry now that the batch would add."""
    current = {(entry, owner): owners.get(entry) for entry, owner in batch.additions if isinstance(entry, UniqueEntry)}
    return {addition: rival for addition, rival in current.items() if rival is not None and rival != addition[1]}


def _ids(keys: Iterable[Key]) -> set[str]:
    return {key.id for key in keys}


def _latest(documents: Mapping[Key, bytes | None]) -> dict[str, int]:
    """The latest position that the documents of each id reflect, of whatever kind they are."""
    positions: dict[str, int] = {}
    for key, envelope in documents.items():
        if envelope is not None:
            positions[key.id] = max(positions.get(key.id, 0), unseal(envelope).position)
    return positions
