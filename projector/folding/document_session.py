"""The documents of one batch, as one event after the other changes them."""

import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, TypeAlias, cast
from uuid import UUID

import msgspec

from projector.declaring.documents import (
    DocumentMissing,
    Documents,
    Key,
    Kind,
    NotPrefetched,
    ReadOnly,
    Record,
)
from projector.declaring.fan_out import FanOut, RunningFanOut
from projector.declaring.index_entries import Entry
from projector.declaring.projection import Projection
from projector.folding.codec import DocumentCodec
from projector.folding.index_changes import Indexer
from projector.folding.parking import Parked, ParkedQueue
from shared.read_model.envelope import unseal
from shared.read_model.ordering import IndexRow

Source: TypeAlias = Callable[[Key], bytes | None]
"""Gives a sealed full document, None for what does not exist; raises `KeyError` where the store was not asked."""

ELSEWHERE = sys.maxsize
"""The position of a document of another partition: whatever is saved of it here, it reflects already."""

WRITTEN = 2
"""What a document writes beside its entries: itself, and its index row."""


@dataclass(slots=True, eq=False)
class Document:
    """
    A document while a batch is folded.

    A server that comes back from a crash in the middle of a commit may hold a document that is ahead of the
    checkpoint. An event the document reflects already is not folded into it again, but the document is written once
    more with all its index entries: another that is folded again from further back may have taken an entry that is this
    document's by now, and an older commit that turns up after a further crash may have brought back an older state.
    """

    key: Key
    record: msgspec.Struct | None
    stored: int
    """The position that it reflects in the store; 0 if it is not there."""
    ahead: bool = False
    mark: str | None = None
    """Since when the store says that it is stale."""
    position: int = field(init=False)
    changed: bool = field(init=False, default=False)
    indexed: msgspec.Struct | None = field(init=False)
    """The last of its states whose entries were compared with those of the state before."""
    index_row: IndexRow | None = field(init=False, default=None)
    """That of this state, if anything was compared."""
    is_reindexed: bool = field(init=False, default=False)
    """Whether anything was compared: its entries and its index row are written too."""
    stands: dict[Entry, bool] = field(init=False, default_factory=dict)
    """Every entry that was left or taken since it was read, and whether the document stands there in the end."""

    def __post_init__(self) -> None:
        self.position, self.indexed = self.stored, self.record

    def become(self, record: msgspec.Struct | None, *, position: int) -> None:
        """Be what the event at a position makes of it, unless it reflects that already."""
        if position > self.stored:
            self.record, self.position, self.changed = record, position, True

    def reindex(self, indexer: Indexer) -> int:
        """Compare its entries with those it had; return how many more it writes for that."""
        if self.record is self.indexed:
            return 0
        known = len(self.stands)
        self.index_row, change = indexer.change(self.key, self.indexed, self.record, row=self.index_row)
        self.stands |= change
        self.indexed, self.is_reindexed = self.record, True
        return len(self.stands) - known

    def reindex_whole(self, indexer: Indexer) -> int:
        """Take all its entries anew, also those it had; return how many more it writes for that."""
        known = len(self.stands)
        self.reindex(indexer)
        self.index_row, all_entries = indexer.change(self.key, None, self.record)
        self.stands |= all_entries
        self.is_reindexed = True
        return len(self.stands) - known


class DocumentSession(Documents):
    """
    The `Documents` of one batch, decoded once each.

    What it holds may also outlive the batch: a rebuild writes nothing before it has folded everything.
    """

    def __init__(
        self,
        projection: Projection,
        source: Source,
        queue: ParkedQueue,
        *,
        codecs: Mapping[str, DocumentCodec[Any]],
        indexer: Indexer,
        after: int,
        fan_outs: Sequence[RunningFanOut] = (),
        is_indexed_at_the_end: bool = False,
    ) -> None:
        """
        :param after: the position of the checkpoint: a stored document that reflects more is ahead of it.
        :param fan_outs: what is under way.
        :param is_indexed_at_the_end: compare nothing in between, since no entry was ever stored.
        """
        self.fan_outs = list(fan_outs)
        self.queue = queue
        self.position = 0
        """That of the event being folded: all that is saved is what it makes of the documents."""
        self.weight = 0
        """How many fields and entries would be written, at most."""
        self.projection = projection
        self._source = source
        self.codecs = codecs
        self.indexer = indexer
        self._is_indexed_at_the_end = is_indexed_at_the_end
        self._after = after
        self.all: dict[Key, Document] = {}
        """The documents that were read so far."""
        self._by_id: dict[tuple[str, int | str], Document] = {}
        """The same, for reactions: looked up without the text of an id."""
        self._before: list[tuple[Document, msgspec.Struct | None, int, bool]] = []

    def find(self, kind: Kind[Record], id: UUID | str) -> Record | None:
        return cast("Record | None", self._opened(kind, id).record)

    def save(self, kind: Kind[Record], id: UUID | str, record: Record) -> None:
        self._change(self._opened(kind, id), record)

    def forget(self, kind: Kind[Record], id: UUID | str) -> None:
        self._change(self._opened(kind, id), None)

    def change(self, kind: Kind[Any], id: UUID | str, **fields: Any) -> None:
        document = self._opened(kind, id)
        if document.record is None:
            raise DocumentMissing(document.key)
        self._change(document, msgspec.structs.replace(document.record, **fields))

    def undo(self) -> None:
        """Forget what the event has saved."""
        for document, record, position, changed in reversed(self._before):
            document.record, document.position, document.changed = record, position, changed
        self._before.clear()

    def settle(self) -> None:
        """Find out what the event has changed in the index, and how much more is to be written for it."""
        for document, _, _, was_changed in self._before:
            self._weigh(document, was_written=was_changed)
        self._before.clear()

    def require_none_saved(self, read: Collection[Key]) -> None:
        """:raises ReadOnly: the event has saved one of these."""
        for document, *_ in self._before:
            if document.key in read:
                raise ReadOnly(document.key)

    def open(self, key: Key) -> Document:
        """
        The document as all events so far made it, those included that have not been fanned out to it yet.

        :raises NotPrefetched: it was not read.
        """
        document = self.all.get(key) or self._read(key)
        return self._caught_up(document) if self.fan_outs else document

    def revise(self, part: Parked, fan_out: FanOut, *, again: bool = False) -> None:
        """
        Bring what a fan-out does to one document, or park it.

        :param again: it was parked before.
        """
        (key,) = part.documents
        document = self.all.get(key) or self._read(key)
        try:
            revised = None if document.record is None else fan_out.revise(key.id, document.record)
        except MemoryError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, it will be the same next time
            self.queue.fail(part, error, again=again)
        else:
            self._revised(document, revised, part.position, reindexes=fan_out.reindexes)

    def open_whole(self, key: Key) -> None:
        """Have a document written whatever becomes of it, with everything that leads to it."""
        document = self.open(key)
        if not (document.changed or document.ahead):
            self.weight += WRITTEN
        document.ahead = True
        self.weight += document.reindex_whole(self.indexer)

    def _change(self, document: Document, record: msgspec.Struct | None) -> None:
        self._before.append((document, document.record, document.position, document.changed))
        document.become(record, position=self.position)

    def _revised(self, document: Document, record: msgspec.Struct | None, position: int, *, reindexes: bool) -> None:
        """Take what a fan-out makes of a document: one that was parked may lie behind what the document reflects."""
        if record is document.record:
            return
        was_changed, is_indexed = document.changed, document.record is document.indexed
        document.record, document.position, document.changed = record, max(document.position, position), True
        if is_indexed and not reindexes:
            document.indexed = record
        self._weigh(document, was_written=was_changed)

    def _weigh(self, document: Document, *, was_written: bool) -> None:
        if document.changed and not was_written:
            self.weight += WRITTEN
        if not self._is_indexed_at_the_end:
            self.weight += document.reindex(self.indexer)

    def _caught_up(self, document: Document) -> Document:
        for running in self.fan_outs:
            if running.fan_out.kind.name == document.key.kind:
                self._catch_up(document, running)
        return document

    def _catch_up(self, document: Document, running: RunningFanOut) -> None:
        """Take up an event that is being fanned out, unless the document reflects it or is not concerned."""
        if document.record is None or running.is_reflected_at(document.position):
            return
        key = document.key
        part = Parked(position=running.position, since=running.occurred_at, documents=(key,), is_fan_out=True)
        if self.queue.is_parked(key):
            self._wait_if_concerned(part, document.record, running.fan_out)
        elif not self.queue.is_skipped(running.position, key):
            self.revise(part, running.fan_out)

    def _wait_if_concerned(self, part: Parked, record: msgspec.Struct, fan_out: FanOut) -> None:
        with suppress(Exception):
            if fan_out.revise(part.documents[0].id, record) is record:
                return
        self.queue.wait(part)

    def _opened(self, kind: Kind[Any], id: UUID | str) -> Document:
        name = kind.name, id if isinstance(id, str) else id.int
        if (document := self._by_id.get(name)) is None:
            document = self._by_id[name] = self.open(kind.key(id))
        elif self.fan_outs:
            self._caught_up(document)
        return document

    def _read(self, key: Key) -> Document:
        try:
            envelope = self._source(key)
        except KeyError:
            if self.projection.holds(key):
                raise NotPrefetched(key) from None
            document = Document(key, None, ELSEWHERE)
        else:
            document = self._unsealed(key, envelope)
        self.all[key] = document
        return document

    def _unsealed(self, key: Key, envelope: bytes | None) -> Document:
        if envelope is None:
            return Document(key, None, 0)
        sealed = unseal(envelope)
        record = self.codecs[key.kind].record(sealed)
        return Document(key, record, sealed.position, sealed.position > self._after, sealed.stale_since)
