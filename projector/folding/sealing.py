"""From the documents of a batch, as its events have made them, to one commit."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

import msgspec

from projector.declaring.index_entries import OwnedEntry
from projector.folding.batch import Batch
from projector.folding.document_session import Document, DocumentSession
from projector.folding.parking import ParkedQueue
from shared.read_model.positions import Checkpoint

_pack = msgspec.msgpack.Encoder().encode


def sealed(documents: DocumentSession, checkpoint: Checkpoint, *, strays: Collection[OwnedEntry] = ()) -> Batch:
    """
    Return everything that changed, in the form of one commit.

    :param strays: entries at which no document stands.
    """
    queue = documents.queue
    written = list(_written(documents))
    indexed = _indexed(written, documents)
    there = [each for each in written if each.record is not None]
    return Batch(
        removals=_removals(indexed, documents),
        additions=_entries(indexed, stand=True),
        index_rows={each.key: _pack(row) for each in indexed if (row := each.index_row)},
        full={each.key: sealed_document(each, documents) for each in there},
        # Even those the store does not have: a crash may put them there, before this commit.
        forgotten=[each.key for each in written if each.record is None],
        parked=_parked(queue, checkpoint),
        strays=strays,
        checkpoint=checkpoint,
    )


def _written(documents: DocumentSession) -> Iterator[Document]:
    """In the order of the projection's kinds."""
    for kind in documents.projection.kinds:
        for key, document in documents.all.items():
            if key.kind == kind.name and _is_written(document, documents.queue):
                yield document


def _is_written(document: Document, queue: ParkedQueue) -> bool:
    if document.changed or document.ahead or document.record is None:
        return document.changed or document.ahead
    return document.mark != (queue.mark(document.key) if queue else None)


def _indexed(written: Iterable[Document], documents: DocumentSession) -> Sequence[Document]:
    """
    Those whose entries and index rows are written too.

    In the order of their positions: of two that claim an entry the later one has it, as the other may wait to leave it.
    """
    for document in written:
        if document.ahead:
            document.reindex_whole(documents.indexer)
        elif document.record is not document.indexed:
            document.reindex(documents.indexer)
    return sorted((each for each in written if each.is_reindexed), key=lambda each: each.position)


def _removals(indexed: Iterable[Document], documents: DocumentSession) -> Sequence[OwnedEntry]:
    """
    Return the entries that are given up, but for those that a fan-out is still to come by.

    It finds documents by such entries, and strikes the others.
    """
    given_up = _entries(indexed, stand=False)
    if not (under_way := documents.fan_outs):
        return given_up
    return [
        (entry, owner)
        for entry, owner in given_up
        if not any(each.fan_out.is_ahead(entry, done=each.progress.done) for each in under_way)
    ]


def _entries(indexed: Iterable[Document], *, stand: bool) -> list[OwnedEntry]:
    """Return the entries that come, or those that go."""
    return [(entry, each.key.id) for each in indexed for entry, stands in each.stands.items() if stands is stand]


def _parked(queue: ParkedQueue, checkpoint: Checkpoint) -> Mapping[str, bytes]:
    """Return the parked events, if they have changed, under the checkpoint's name for them."""
    if checkpoint.parked != checkpoint.revision:
        return {}
    return {str(checkpoint.parked): msgspec.json.encode(queue.parking())}


def sealed_document(document: Document, documents: DocumentSession) -> bytes:
    """Return the record of a document as it is stored."""
    since = documents.queue.mark(document.key) if documents.queue else None
    return documents.codecs[document.key.kind].seal(document.record, position=document.position, stale_since=since)
