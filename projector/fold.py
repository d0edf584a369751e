"""From events and the documents they touch to one commit: pure, no I/O."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast
from uuid import UUID

import msgspec

from projector.ports import Batch, EventNotFoldable
from projector.projection import DocumentMissing, Entry, Key, Kind, NotPrefetched, Projection, Record
from shared.event_log import RecordedEvent, UnknownEvent
from shared.records import Checkpoint, seal, unseal

Envelopes = Mapping[Key, bytes | None]
"""Sealed full documents as the store has them; None for what does not exist."""

_encode = msgspec.json.Encoder().encode


@dataclass(slots=True)
class _Document:
    """
    A document on its way through a batch.

    A server that comes back from a crash in the middle of a commit may hold a document that is ahead of the
    checkpoint. An event the document reflects already is not folded into it again, but the document is written once
    more with all its index entries: whoever is folded again from further back may have taken an entry that is this
    document's by now, and an older commit that turns up after a further crash may have brought back an older state.
    """

    record: msgspec.Struct | None
    position: int
    entries: frozenset[Entry]
    stored: frozenset[Entry]
    """The entries it has in the store, as far as its stored record tells."""
    left: set[Entry] = field(default_factory=set)
    """Entries given up on the way, even if they were taken again: a torn commit may have removed them."""
    changed: bool = False
    ahead: bool = False

    def become(self, record: msgspec.Struct | None, entries: frozenset[Entry], *, position: int) -> None:
        if position <= self.position:
            self.ahead = True
            return
        self.left |= self.entries - entries
        self.record, self.entries, self.position, self.changed = record, entries, position, True

    @property
    def is_written(self) -> bool:
        return self.changed or self.ahead

    @property
    def removals(self) -> Collection[Entry]:
        return self.left - self.entries

    @property
    def additions(self) -> Collection[Entry]:
        return self.entries if self.ahead else self.entries - (self.stored - self.left)


class Folder:
    """Folds batches of events for one projection."""

    def __init__(self, projection: Projection) -> None:
        self._projection = projection
        self._decoders = {kind.name: msgspec.json.Decoder(kind.record) for kind in projection.kinds}

    def wanted(self, events: Iterable[RecordedEvent], envelopes: Envelopes) -> set[Key]:
        """The documents that the events touch and that are not among those fetched."""
        documents = self._documents(envelopes)
        known = [each.event for each in events if not isinstance(each.event, UnknownEvent)]
        return {key for event in known for key in self._projection.needs(event, documents)} - envelopes.keys()

    def fold(self, events: Sequence[RecordedEvent], envelopes: Envelopes, *, after: Checkpoint) -> Batch:
        """
        What the events make of the documents and of the checkpoint.

        An event that cannot be folded ends the batch before it.

        :raises EventNotFoldable: it is the first.
        """
        documents = self._documents(envelopes)
        for nth, recorded in enumerate(events):
            try:
                self._fold_one(recorded, documents)
            except EventNotFoldable:
                if nth:
                    return self.fold(events[:nth], envelopes, after=after)
                raise
        return documents.batch(checkpoint=_moved(after, events))

    def _documents(self, envelopes: Envelopes) -> "FoldedDocuments":
        return FoldedDocuments(envelopes, projection=self._projection, decoders=self._decoders)

    def _fold_one(self, recorded: RecordedEvent, documents: "FoldedDocuments") -> None:
        if isinstance(recorded.event, UnknownEvent):
            raise self._not_foldable(recorded, f"{recorded.event.type!r} is unknown: {recorded.event.why}")
        documents.position = recorded.position
        try:
            self._projection.project(recorded, documents)
        except (DocumentMissing, NotPrefetched) as error:
            raise self._not_foldable(recorded, str(error)) from error
        except Exception as error:
            # Whatever it is, it will be the same next time. Its text is left out: it may quote people's data.
            raise self._not_foldable(recorded, type(error).__name__) from error

    def _not_foldable(self, recorded: RecordedEvent, why: str) -> EventNotFoldable:
        return EventNotFoldable(
            f"projection {self._projection.name} cannot fold the event at position {recorded.position}"
            f" ({recorded.aggregate} {recorded.aggregate_id}, version {recorded.version}): {why};"
            " deploy a projector that can"
        )


class FoldedDocuments:
    """The `Documents` of one batch; `position` is that of the event being folded."""

    def __init__(
        self, envelopes: Envelopes, *, projection: Projection, decoders: Mapping[str, msgspec.json.Decoder[Any]]
    ) -> None:
        self.position = 0
        self._envelopes = envelopes
        self._projection = projection
        self._decoders = decoders
        self._documents: dict[Key, _Document] = {}

    def find(self, kind: Kind[Record], id: UUID) -> Record | None:
        key = kind.key(id)
        if not self.position and key not in self._envelopes:
            return None  # asked by `needs`, to which not everything is known yet
        return cast("Record | None", self._document(key).record)

    def get(self, kind: Kind[Record], id: UUID) -> Record:
        record = self.find(kind, id)
        if record is None:
            raise DocumentMissing(kind.key(id))
        return record

    def save(self, kind: Kind[Record], id: UUID, record: Record) -> None:
        self._document(kind.key(id)).become(record, self._entries(record), position=self.position)

    def forget(self, kind: Kind[Record], id: UUID) -> None:
        self._document(kind.key(id)).become(None, frozenset(), position=self.position)

    def batch(self, *, checkpoint: Checkpoint) -> Batch:
        """Everything that changed, in the form of one commit."""
        saved = {key: each.record for key, each in self._documents.items() if each.is_written and each.record}
        public = {key: self._projection.public(record) for key, record in saved.items()}
        return Batch(
            removals=[(entry, key.id) for key, each in self._documents.items() for entry in each.removals],
            additions=[(entry, key.id) for key, each in self._documents.items() for entry in each.additions],
            public={key: self._sealed(key, record) for key, record in public.items() if record is not None},
            full={key: self._sealed(key, record) for key, record in saved.items()},
            # Even those the store does not have: a crash may put them there, before this commit.
            forgotten=[key for key, each in self._documents.items() if each.is_written and not each.record],
            checkpoint=checkpoint,
        )

    def _document(self, key: Key) -> _Document:
        if key not in self._documents:
            if key not in self._envelopes:
                raise NotPrefetched(key)
            self._documents[key] = self._opened(key, self._envelopes[key])
        return self._documents[key]

    def _opened(self, key: Key, envelope: bytes | None) -> _Document:
        if envelope is None:
            return _Document(None, 0, frozenset(), frozenset())
        position, _, body = unseal(envelope)
        record = self._decoders[key.kind].decode(body)
        entries = self._entries(record)
        return _Document(record, position, entries, entries)

    def _entries(self, record: msgspec.Struct) -> frozenset[Entry]:
        return frozenset(self._projection.index(record))

    def _sealed(self, key: Key, record: msgspec.Struct) -> bytes:
        return seal(position=self._documents[key].position, body=_encode(record))


def _moved(checkpoint: Checkpoint, events: Sequence[RecordedEvent]) -> Checkpoint:
    last = events[-1]
    return Checkpoint(
        position=last.position,
        event_id=last.event_id,
        count=checkpoint.count + len(events),
        revision=checkpoint.revision + 1,
    )
