"""The documents of one batch on their way from event to event."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, cast
from uuid import UUID

import msgspec

from projector.placing import Move, Placer
from projector.ports import Batch
from projector.projection import (
    DocumentMissing,
    Entry,
    FanOut,
    Key,
    Kind,
    NotPrefetched,
    Placed,
    Projection,
    Record,
)
from shared.records import Checkpoint, Sweep, seal, unseal

Envelopes = Mapping[Key, bytes | None]
"""Sealed full documents as the store has them; None for what does not exist."""

_encode = msgspec.json.Encoder().encode
_pack = msgspec.msgpack.Encoder().encode


class Sweeping(NamedTuple):
    """A sweep under way, and what it does."""

    sweep: Sweep
    fan_out: FanOut

    @property
    def position(self) -> int:
        return self.sweep.position


@dataclass(slots=True)
class Document:
    """
    A document on its way through a batch.

    A server that comes back from a crash in the middle of a commit may hold a document that is ahead of the
    checkpoint. An event the document reflects already is not folded into it again, but the document is written once
    more with all its index entries: whoever is folded again from further back may have taken an entry that is this
    document's by now, and an older commit that turns up after a further crash may have brought back an older state.
    """

    record: msgspec.Struct | None
    stored: int
    """The position that it reflects in the store; 0 if it is not there."""
    ahead: bool
    position: int = field(init=False)
    states: list[msgspec.Struct | None] = field(init=False)
    """What it was when it was read, and every state since that may stand in other places."""
    changed: bool = field(init=False, default=False)

    def __post_init__(self) -> None:
        self.position, self.states = self.stored, [self.record]

    def become(self, record: msgspec.Struct | None, *, position: int, moves: bool = True) -> None:
        if position <= self.stored:
            return
        self.record, self.position, self.changed = record, position, True
        if moves:
            self.states.append(record)

    def catch_up(self, id: str, sweeping: Sweeping) -> None:
        """Take up an event that is being swept, unless the document reflects it or is not concerned."""
        if self.record is None or self.position >= sweeping.position:
            return
        revised = sweeping.fan_out.revise(id, self.record)
        if revised is not self.record:
            self.become(revised, position=sweeping.position, moves=sweeping.fan_out.moves)

    def move(self, key: Key, placer: Placer) -> Move:
        return placer.move(key, self.states, anew=self.ahead)

    @property
    def is_written(self) -> bool:
        return self.changed or self.ahead

    @property
    def is_placed(self) -> bool:
        """Whether its entries and its sheet are written too."""
        return self.ahead or len(self.states) > 1


@dataclass(slots=True)
class FoldedDocuments:
    """The `Documents` of one batch; `position` is that of the event being folded, `sweeping` what is under way."""

    envelopes: Envelopes
    projection: Projection
    decoders: Mapping[str, msgspec.json.Decoder[Any]]
    after: Checkpoint
    sweeping: list[Sweeping]
    position: int = 0
    _documents: dict[Key, Document] = field(default_factory=dict)

    def find(self, kind: Kind[Record], id: UUID | str) -> Record | None:
        key = kind.key(id)
        if not self.position and key not in self.envelopes:
            return None  # asked by `needs`, to which not everything is known yet
        return cast("Record | None", self.open(key).record)

    def get(self, kind: Kind[Record], id: UUID | str) -> Record:
        record = self.find(kind, id)
        if record is None:
            raise DocumentMissing(kind.key(id))
        return record

    def save(self, kind: Kind[Record], id: UUID | str, record: Record) -> None:
        self.open(kind.key(id)).become(record, position=self.position)

    def forget(self, kind: Kind[Record], id: UUID | str) -> None:
        self.open(kind.key(id)).become(None, position=self.position)

    def open(self, key: Key) -> Document:
        """
        The document as all events so far made it, those included that have not been swept to it yet.

        :raises NotPrefetched: it was not read.
        """
        document = self._documents.get(key) or self._opened(key)
        for sweeping in self.sweeping:
            if sweeping.fan_out.kind.name == key.kind:
                document.catch_up(key.id, sweeping)
        return document

    def batch(self, *, checkpoint: Checkpoint, placer: Placer, strays: Collection[Placed] = ()) -> Batch:
        """
        Everything that changed, in the form of one commit.

        :param strays: entries at which no document stands.
        """
        written = {key: each for key, each in self._in_order_of_kinds() if each.is_written}
        saved = {key: each.record for key, each in written.items() if each.record}
        public = {key: self.projection.public(record) for key, record in saved.items()}
        moves = {key: each.move(key, placer) for key, each in written.items() if each.is_placed}
        removals = [(entry, key.id) for key, move in moves.items() for entry in move.removals]
        return Batch(
            removals=[each for each in removals if not self._is_on_a_way(each[0])],
            additions=[(entry, key.id) for key, move in moves.items() for entry in move.additions],
            sheets={key: _pack(move.sheet) for key, move in moves.items() if move.sheet},
            public={key: self._sealed(key, record) for key, record in public.items() if record is not None},
            full={key: self._sealed(key, record) for key, record in saved.items()},
            # Even those the store does not have: a crash may put them there, before this commit.
            forgotten=[key for key, each in written.items() if not each.record],
            strays=strays,
            checkpoint=checkpoint,
        )

    def _is_on_a_way(self, entry: Entry) -> bool:
        """Whether a sweep is still to come by: it finds documents by such entries, and strikes those where none is."""
        return any(each.fan_out.is_ahead(entry, done=each.sweep.done) for each in self.sweeping)

    def _in_order_of_kinds(self) -> Iterator[tuple[Key, Document]]:
        for kind in self.projection.kinds:
            yield from ((key, each) for key, each in self._documents.items() if key.kind == kind.name)

    def _opened(self, key: Key) -> Document:
        if key not in self.envelopes:
            raise NotPrefetched(key)
        self._documents[key] = document = self._unsealed(key, self.envelopes[key])
        return document

    def _unsealed(self, key: Key, envelope: bytes | None) -> Document:
        if envelope is None:
            return Document(None, 0, ahead=False)
        position, _, body = unseal(envelope)
        return Document(self.decoders[key.kind].decode(body), position, ahead=position > self.after.position)

    def _sealed(self, key: Key, record: msgspec.Struct) -> bytes:
        return seal(position=self._documents[key].position, body=_encode(record))
