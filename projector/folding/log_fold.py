"""
A fold of the log from its beginning, for a generation that holds nothing and that nobody reads.

It is one batch of any length. Every record is kept decoded; nobody can have found one in an earlier state, so that its
index entries are made once, of the last; and what an event does to all documents of a list is done at once.
"""

import sys
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from uuid import UUID

import msgspec

from projector.declaring.documents import Key
from projector.declaring.errors import EventNotFoldable
from projector.declaring.fan_out import FanOut
from projector.declaring.index_entries import OwnedEntry
from projector.declaring.projection import Projection
from projector.folding.batch import Batch
from projector.folding.document_session import WRITTEN, Document, DocumentSession
from projector.folding.fold import BatchFold, ProjectionFold
from projector.folding.index_changes import FirstEntries
from projector.folding.parking import NOTHING, ParkedQueue, Parking
from projector.folding.sealing import sealed_document
from shared.event_log import RecordedEvent
from shared.event_log.ranges import EVERYTHING, IdRange
from shared.read_model.ordering import IndexRow
from shared.read_model.positions import Checkpoint

_pack = msgspec.msgpack.Encoder().encode


class LogFold:
    """Fold the log, or what of it concerns a range of ids, event by event; then give the batches that write it."""

    def __init__(
        self, fold: ProjectionFold, *, parking: Parking = NOTHING, within: IdRange = EVERYTHING, trimmed: int = 0
    ) -> None:
        """
        Begin with nothing.

        :param parking: what the generation has taken over from another: that events were skipped.
        :param trimmed: the position up to which nothing is kept.
        """
        self._documents = LogDocuments(fold, ParkedQueue(parking, code=fold.code))
        self._batch = BatchFold(fold, self._documents, Checkpoint(trimmed=trimmed), most=sys.maxsize)
        self._projection = fold.projection
        self._trimmed = trimmed
        self._within = within
        self.stopped: RecordedEvent | None = None
        """The event that can neither be folded nor parked, once it was met."""

    @property
    def queue(self) -> ParkedQueue:
        """What is parked, and what was skipped."""
        return self._documents.queue

    @property
    def parking(self) -> Parking:
        """What is parked of the range: events of all ranges are met in each."""
        parking = self.queue.parking()
        events = tuple(each for each in parking.events if any(self._within.holds(key.id) for key in each.documents))
        return msgspec.structs.replace(parking, events=events)

    def apply(self, recorded: RecordedEvent) -> bool:
        """Fold the next event, or park it; return whether that was possible."""
        if self._is_folded_at_once(recorded):
            return True
        try:
            if self._batch.apply(recorded):
                self._documents.bring_fan_outs()
                return True
        except EventNotFoldable:
            pass
        self.stopped = recorded
        return False

    def _is_folded_at_once(self, recorded: RecordedEvent) -> bool:
        """
        Fold an event that nothing precedes, and that touches no more than it names, as nearly all are.

        One that fails has changed nothing: it is folded once more, with all that there is to find out about it.
        """
        documents, projection = self._documents, self._projection
        if documents.queue or recorded.position <= self._trimmed or not projection.is_plain(recorded.event):
            return False
        documents.position = recorded.position
        try:
            self._batch.react(recorded)
        except MemoryError:
            raise
        except Exception:  # noqa: BLE001 - whatever it is, the next attempt meets it too, and parks the event
            documents.undo()
            return False
        documents.settle()
        return True

    def batches(self, *, weight: int) -> Iterator[Batch]:
        """
        Give what writes all documents of the range, with what leads to them.

        They come in the order of their positions: of two that claim an entry the later one has it, as in a live fold.
        Behind them come the lists in which many entries stand, each in its order.
        The unique entries of those that lack an event are left out: a document of another range may have them by now.

        :param weight: that each batch may have, unless a single document has more.
        """
        return self._documents.batches(self._within, lacking=self.queue.parking().concerned(), weight=weight)


class LogDocuments(DocumentSession):
    """The documents that the log has made so far."""

    def __init__(self, fold: ProjectionFold, queue: ParkedQueue) -> None:
        super().__init__(
            fold.projection,
            partial(_nothing, fold.projection),
            queue,
            codecs=fold.codecs,
            indexer=fold.indexer,
            after=0,
            is_indexed_at_the_end=True,
        )
        self._unlisted: set[Document] = set()
        """Those that may stand elsewhere than `_listed` says."""
        self._listed: dict[tuple[str, bytes], set[Document]] = defaultdict(set)
        """By kind and the prefix of a fan-out; some have left since."""

    def settle(self) -> None:
        """Keep in mind what the event has changed, for the next fan-out: nothing is indexed before the end."""
        for before in self._before:
            if (document := before[0]).key.kind in self.projection.prefixes:
                self._unlisted.add(document)
        self._before.clear()

    def bring_fan_outs(self) -> None:
        """Bring what the last event begins to all documents that it concerns."""
        while self.fan_outs:
            running = self.fan_outs.pop()
            for document in self._concerned(running.fan_out):
                self._catch_up(document, running)

    def batches(self, within: IdRange, *, lacking: Collection[Key], weight: int) -> Iterator[Batch]:
        """See `LogFold.batches`."""
        content = _Content()
        rows = defaultdict[str, list[tuple[UUID, IndexRow]]](list)
        for document in sorted(self.all.values(), key=lambda each: each.position):
            if document.record is None or not within.holds(document.key.id):
                continue
            first = self.indexer.first_entries(document.key, document.record)
            if content.full and content.weight + WRITTEN + first.size > weight:
                yield content.batch()
                content = _Content()
            if document.key in lacking:
                first = first._replace(unique=())
            content.add(document.key, first, sealed_document(document, self))
            if first.row:
                rows[document.key.kind].append((UUID(document.key.id), first.row))
            document.record = None  # from here on only its index row takes memory
        yield content.batch()
        for kind, of_kind in rows.items():
            yield from self._lists(kind, of_kind, weight)

    def _lists(self, kind: str, rows: Sequence[tuple[UUID, IndexRow]], weight: int) -> Iterator[Batch]:
        for by, entries in self.indexer.listed(kind, rows):
            while portion := [*islice(entries, weight)]:
                yield Batch(listed={by: portion}, checkpoint=Checkpoint())

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
    listed: dict[str, list[bytes]] = field(default_factory=lambda: defaultdict(list))
    index_rows: dict[Key, bytes] = field(default_factory=dict)
    full: dict[Key, bytes] = field(default_factory=dict)
    weight: int = 0

    def add(self, key: Key, first: FirstEntries, sealed: bytes) -> None:
        self.additions += [(entry, key.id) for entry in first.unique]
        for by, entries in first.listed.items():
            self.listed[by] += entries
        if first.row is not None:
            self.index_rows[key] = _pack(first.row)
        self.full[key] = sealed
        self.weight += WRITTEN + first.size

    def batch(self) -> Batch:
        """Return it, to be put behind a checkpoint."""
        return Batch(
            additions=self.additions,
            listed=self.listed,
            index_rows=self.index_rows,
            full=self.full,
            checkpoint=Checkpoint(),
        )


def _nothing(projection: Projection, key: Key) -> None:
    """Say what a generation that holds nothing has of a document; it was not asked for what lies elsewhere."""
    if not projection.holds(key):
        raise KeyError(key)
