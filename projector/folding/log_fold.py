"""
A fold of the log from its beginning, for a generation that holds nothing and that nobody reads.

It is one batch of any length. Every record is kept decoded; nobody can have found one in an earlier state, so that its
index entries are made once, of the last; and what an event does to all documents of a list is done at once.
"""

import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import msgspec

from projector.folding.batch import Batch
from projector.folding.document_session import WRITTEN, Document, DocumentSession
from projector.folding.documents import Key
from projector.folding.fan_out import FanOut
from projector.folding.fold import BatchFold, ProjectionFold
from projector.folding.index_entries import Entry, OwnedEntry
from projector.folding.parking import NOTHING, ParkedQueue, Parking
from projector.folding.sealing import sealed_document
from shared.event_log import RecordedEvent
from shared.read_model.ordering import IndexRow
from shared.read_model.positions import Checkpoint

_pack = msgspec.msgpack.Encoder().encode


class LogFold:
    """Fold the log from its beginning, event by event; then give the commits that write what comes of it."""

    def __init__(self, fold: ProjectionFold, *, parking: Parking = NOTHING, trimmed: int = 0) -> None:
        """
        Begin with nothing.

        :param parking: what the generation has taken over from another: that events were skipped.
        :param trimmed: the position up to which nothing is kept.
        """
        self._documents = LogDocuments(fold, ParkedQueue(parking, code=fold.code))
        self._batch = BatchFold(fold, self._documents, Checkpoint(trimmed=trimmed), most=sys.maxsize)
        self._last: RecordedEvent | None = None

    @property
    def position(self) -> int:
        """That of the last event."""
        return self._last.position if self._last else 0

    def __len__(self) -> int:
        """Return how many documents are kept, those included that are gone or were only looked for."""
        return len(self._documents.all)

    @property
    def queue(self) -> ParkedQueue:
        """What is parked, and what was skipped."""
        return self._documents.queue

    def apply(self, recorded: RecordedEvent) -> bool:
        """
        Fold the next event, or park it; return whether that was possible.

        :raises EventNotFoldable: it is the first, and of an unknown type, or names no document it writes.
        """
        if not self._batch.apply(recorded):
            return False
        self._documents.bring_fan_outs()
        self._last = recorded
        return True

    def batches(self, after: Checkpoint, *, weight: int) -> Iterator[Batch]:
        """
        Give the commits that write everything, the last of which alone moves the position of the checkpoint.

        :param after: the checkpoint behind which the first of them comes.
        :param weight: that each of them may have, unless a single document has more.
        """
        for batch in self._documents.batches(after, weight=weight):
            yield batch
            after = batch.checkpoint
        yield self._end(after)

    def _end(self, after: Checkpoint) -> Batch:
        event_id = self._last.event_id if self._last else None
        checkpoint = after.revised(position=self.position, event_id=event_id, count=self._batch.applied, filled=0)
        if not self.queue.changed:
            return Batch(checkpoint=checkpoint)
        if not self.queue:
            return Batch(checkpoint=msgspec.structs.replace(checkpoint, parked=0))
        parked = {str(checkpoint.revision): msgspec.json.encode(self.queue.parking())}
        return Batch(parked=parked, checkpoint=msgspec.structs.replace(checkpoint, parked=checkpoint.revision))


class LogDocuments(DocumentSession):
    """The documents that the log has made so far."""

    def __init__(self, fold: ProjectionFold, queue: ParkedQueue) -> None:
        super().__init__(
            fold.projection,
            _nothing,
            queue,
            codecs=fold.codecs,
            indexer=fold.indexer,
            after=0,
            is_indexed_at_the_end=True,
        )
        self.stored = self
        self._unlisted: set[Document] = set()
        """Those that may stand elsewhere than `_listed` says."""
        self._listed: dict[tuple[str, bytes], set[Document]] = defaultdict(set)
        """By kind and the prefix of a fan-out; some have left since."""

    def settle(self) -> None:
        """Keep in mind what the event has changed, for the next fan-out: nothing is indexed before the end."""
        self._unlisted.update([document for document, *_ in self._before])
        self._before.clear()

    def bring_fan_outs(self) -> None:
        """Bring what the last event begins to all documents that it concerns."""
        while self.fan_outs:
            running = self.fan_outs.pop()
            for document in self._concerned(running.fan_out):
                self._catch_up(document, running)

    def batches(self, after: Checkpoint, *, weight: int) -> Iterator[Batch]:
        """
        Give all documents with what leads to them.

        They come in the order of their positions: of two that claim an entry the later one has it, as in a live fold.
        """
        content = _Content()
        for document in sorted(self.all.values(), key=lambda each: each.position):
            if document.record is None:
                continue
            row, entries = self.indexer.change(document.key, None, document.record)
            if content.full and content.weight + len(entries) + WRITTEN > weight:
                yield (batch := content.batch(after))
                after, content = batch.checkpoint, _Content()
            self._add(document, row, entries, content)
        yield content.batch(after)

    def _add(self, document: Document, row: IndexRow | None, entries: Iterable[Entry], content: "_Content") -> None:
        key = document.key
        content.additions += [(entry, key.id) for entry in entries]
        if row is not None:
            content.index_rows[key] = _pack(row)
        content.full[key] = sealed_document(document, self)

    def _concerned(self, fan_out: FanOut) -> Iterable[Document]:
        """Return the documents behind a prefix, and some others: each document of the kind may be offered to it."""
        kind, prefixes = fan_out.kind.name, self.projection.prefixes
        if kind not in prefixes:
            return [each for each in self.all.values() if each.key.kind == kind]
        for document in self._unlisted:
            if document.record is not None and (listed_by := prefixes.get(document.key.kind)):
                for prefix in listed_by(document.key.id, document.record):
                    self._listed[document.key.kind, prefix].add(document)
        self._unlisted.clear()
        return self._listed.get((kind, fan_out.prefix), ())


@dataclass(slots=True)
class _Content:
    """The content of a commit in the making."""

    additions: list[OwnedEntry] = field(default_factory=list)
    index_rows: dict[Key, bytes] = field(default_factory=dict)
    full: dict[Key, bytes] = field(default_factory=dict)

    @property
    def weight(self) -> int:
        return len(self.additions) + WRITTEN * len(self.full)

    def batch(self, after: Checkpoint) -> Batch:
        return Batch(
            additions=self.additions,
            index_rows=self.index_rows,
            full=self.full,
            checkpoint=after.revised(),
        )


def _nothing(_: Key) -> None:
    """Say what a generation that holds nothing has of a document."""
