"""The documents of one batch, as one event after the other changes them."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, TypeAlias, cast
from uuid import UUID

import msgspec

from projector.folding.batch import Batch
from projector.folding.documents import Documents, Key, Kind, NotPrefetched, ReadOnly, Record
from projector.folding.fan_out import FanOut, RunningFanOut
from projector.folding.index_changes import IndexChange, Indexer
from projector.folding.index_entries import Entry, OwnedEntry
from projector.folding.parking import Parked, ParkedQueue
from projector.folding.projection import Projection
from shared.read_model.envelope import seal, unseal, without_mark
from shared.read_model.positions import Checkpoint

Envelopes = Mapping[Key, bytes | None]
"""Sealed full documents as the store has them; None for what does not exist."""

_encode = msgspec.json.Encoder().encode
_pack = msgspec.msgpack.Encoder().encode


IndexChanges: TypeAlias = Sequence[tuple[Key, IndexChange]]

Kept: TypeAlias = tuple[msgspec.Struct | None, int, bool, int]


@dataclass(slots=True)
class Document:
    """
    A document while a batch is folded.

    A server that comes back from a crash in the middle of a commit may hold a document that is ahead of the
    checkpoint. An event the document reflects already is not folded into it again, but the document is written once
    more with all its index entries: another that is folded again from further back may have taken an entry that is this
    document's by now, and an older commit that turns up after a further crash may have brought back an older state.
    """

    record: msgspec.Struct | None
    stored: int
    """The position that it reflects in the store; 0 if it is not there."""
    ahead: bool
    mark: str | None = None
    """Since when the store says that it is stale."""
    position: int = field(init=False)
    states: list[msgspec.Struct | None] = field(init=False)
    """What it was when it was read, and every state since that may stand in other places."""
    changed: bool = field(init=False, default=False)

    def __post_init__(self) -> None:
        self.position, self.states = self.stored, [self.record]

    def become(self, record: msgspec.Struct | None, *, position: int) -> None:
        if position <= self.stored:
            return
        if self.changed and position == self.position:  # saved by this event before: that state was never anywhere
            self.record = self.states[-1] = record
        else:
            self._become(record, position, reindexes=True)

    def revise(self, record: msgspec.Struct | None, *, position: int, reindexes: bool) -> None:
        """Become what an event makes of it that is fanned out: one that was parked may lie behind what it reflects."""
        if record is not self.record:
            self._become(record, max(self.position, position), reindexes=reindexes)

    def keep(self) -> Kept:
        """Return a copy for `restore`."""
        return self.record, self.position, self.changed, len(self.states)

    def restore(self, kept: Kept) -> None:
        """Be again what it was then."""
        self.record, self.position, self.changed, states = kept
        del self.states[states:]

    def _become(self, record: msgspec.Struct | None, position: int, *, reindexes: bool) -> None:
        self.record, self.position, self.changed = record, position, True
        if reindexes:
            self.states.append(record)

    def change(self, key: Key, indexer: Indexer) -> IndexChange:
        return indexer.change(key, self.states, anew=self.ahead)

    @property
    def is_written(self) -> bool:
        return self.changed or self.ahead

    @property
    def is_reindexed(self) -> bool:
        """Whether its entries and its index row are written too."""
        return self.ahead or len(self.states) > 1


@dataclass(slots=True)
class DocumentSession(Documents):
    """The `Documents` of one batch; `position` is that of the event being folded, `fan_outs` what is under way."""

    envelopes: Envelopes
    projection: Projection
    decoders: Mapping[str, msgspec.json.Decoder[Any]]
    after: Checkpoint
    fan_outs: list[RunningFanOut]
    queue: ParkedQueue
    position: int = 0
    _documents: dict[Key, Document] = field(default_factory=dict)
    _before: list[tuple[Key, Document, Kept]] = field(default_factory=list)

    def find(self, kind: Kind[Record], id: UUID | str) -> Record | None:
        key = kind.key(id)
        if not self.position and key not in self.envelopes:
            return None  # asked by what follows, to which not everything is known yet
        return cast("Record | None", self.open(key).record)

    def save(self, kind: Kind[Record], id: UUID | str, record: Record) -> None:
        self._change(kind.key(id), record)

    def forget(self, kind: Kind[Record], id: UUID | str) -> None:
        self._change(kind.key(id), None)

    def begin(self, position: int) -> None:
        """From here on what is saved is what the event at a position makes of it."""
        self.position = position
        self._before.clear()

    def undo(self) -> None:
        """Forget what was saved since `begin`."""
        for _, document, kept in reversed(self._before):
            document.restore(kept)

    def require_none_saved(self, read: Collection[Key]) -> None:
        """:raises ReadOnly: one of these was saved since `begin`."""
        for key in {key for key, *_ in self._before if key in read} if read else ():
            raise ReadOnly(key)

    def open(self, key: Key) -> Document:
        """
        The document as all events so far made it, those included that have not been fanned out to it yet.

        :raises NotPrefetched: it was not read.
        """
        document = self._documents.get(key) or self._opened(key)
        for running in self.fan_outs:
            if running.fan_out.kind.name == key.kind:
                self._catch_up(key, document, running)
        return document

    def revise(self, part: Parked, fan_out: FanOut, *, again: bool = False) -> None:
        """
        Bring what a fan-out does to one document, or park it.

        :param again: it was parked before.
        """
        (key,) = part.documents
        document = self._documents.get(key) or self._opened(key)
        try:
            revised = None if document.record is None else fan_out.revise(key.id, document.record)
        except MemoryError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, it will be the same next time
            self.queue.fail(part, error, again=again)
        else:
            document.revise(revised, position=part.position, reindexes=fan_out.reindexes)

    def open_whole(self, key: Key) -> None:
        """Have a document written whatever becomes of it, with everything that leads to it."""
        self.open(key).ahead = True

    def batch(self, *, checkpoint: Checkpoint, indexer: Indexer, strays: Collection[OwnedEntry] = ()) -> Batch:
        """
        Everything that changed, in the form of one commit.

        :param strays: entries at which no document stands.
        """
        written = dict(self._written())
        changes = _index_changes(written, indexer)
        records = {key: each.record for key, each in written.items() if each.record}
        return Batch(
            removals=self._removals(changes),
            additions=[(entry, key.id) for key, change in changes for entry in change.additions],
            index_rows={key: _pack(change.index_row) for key, change in changes if change.index_row},
            public=dict(self._public(records)),
            full={key: self._sealed(key, record) for key, record in records.items()},
            # Even those the store does not have: a crash may put them there, before this commit.
            forgotten=[key for key in written if key not in records],
            parked=self._parked(checkpoint),
            strays=strays,
            checkpoint=checkpoint,
        )

    def _written(self) -> Iterator[tuple[Key, Document]]:
        """In the order of the projection's kinds."""
        for kind in self.projection.kinds:
            documents = [(key, each) for key, each in self._documents.items() if key.kind == kind.name]
            yield from ((key, each) for key, each in documents if self._is_written(key, each))

    def _removals(self, changes: IndexChanges) -> Sequence[OwnedEntry]:
        """Return the entries that are given up, but for those that a fan-out is still to come by and to strike."""
        given_up = [(entry, key.id) for key, change in changes for entry in change.removals]
        return [each for each in given_up if not self._is_ahead_of_fan_out(each[0])] if self.fan_outs else given_up

    def _public(self, records: Mapping[Key, msgspec.Struct]) -> Iterator[tuple[Key, bytes]]:
        for key, record in records.items():
            if (form := self.projection.public_form(key, record)) is not None:
                yield key, self._sealed(key, form)

    def _change(self, key: Key, record: msgspec.Struct | None) -> None:
        document = self.open(key)
        self._before.append((key, document, document.keep()))
        document.become(record, position=self.position)

    def _catch_up(self, key: Key, document: Document, running: RunningFanOut) -> None:
        """Take up an event that is being fanned out, unless the document reflects it or is not concerned."""
        if document.record is None or running.is_reflected_at(document.position):
            return
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

    def _is_written(self, key: Key, document: Document) -> bool:
        return document.is_written or (document.record is not None and document.mark != self.queue.mark(key))

    def _parked(self, checkpoint: Checkpoint) -> Mapping[str, bytes]:
        """Return the parked events, if they have changed, under the checkpoint's name for them."""
        if checkpoint.parked != checkpoint.revision:
            return {}
        return {str(checkpoint.parked): _encode(self.queue.parking())}

    def _is_ahead_of_fan_out(self, entry: Entry) -> bool:
        """Whether a fan-out is still to come by: it finds documents by such entries, and strikes the others."""
        return any(each.fan_out.is_ahead(entry, done=each.progress.done) for each in self.fan_outs)

    def _opened(self, key: Key) -> Document:
        if key not in self.envelopes:
            raise NotPrefetched(key)
        self._documents[key] = document = self._unsealed(key, self.envelopes[key])
        return document

    def _unsealed(self, key: Key, envelope: bytes | None) -> Document:
        if envelope is None:
            return Document(None, 0, ahead=False)
        sealed = unseal(envelope)
        record = self.decoders[key.kind].decode(without_mark(sealed))
        ahead = sealed.position > self.after.position
        return Document(record, sealed.position, ahead=ahead, mark=sealed.stale_since)

    def _sealed(self, key: Key, record: msgspec.Struct) -> bytes:
        return seal(position=self._documents[key].position, body=_encode(record), stale_since=self.queue.mark(key))


def _index_changes(written: Mapping[Key, Document], indexer: Indexer) -> IndexChanges:
    """In the order of positions: of two that claim an entry the later one has it, as the other may wait to leave it."""
    reindexed = [(key, each) for key, each in written.items() if each.is_reindexed]
    return [(key, each.change(key, indexer)) for key, each in sorted(reindexed, key=lambda pair: pair[1].position)]
