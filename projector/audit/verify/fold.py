"""One projection's documents as the log makes them: by its pure functions alone, without engine, batches or store."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, cast
from uuid import UUID

import msgspec

from projector.declaring.documents import Documents, Key, Kind, Record
from projector.declaring.errors import EventNotFoldable
from projector.declaring.fan_out import FanOut
from projector.declaring.projection import Projection
from projector.folding.parking import NOTHING, ParkedQueue, Parking
from projector.store.errors import Superseded
from shared.event_log import LogIdentity, RecordedEvent
from shared.events import Redacted

_encode = msgspec.json.Encoder().encode


class LoggedFanOut(NamedTuple):
    """An event that concerns every document of a list, and what it does to each."""

    position: int
    fan_out: FanOut


class DocumentState(NamedTuple):
    """
    A state of a document, or one that it may have while fan-outs are under way.

    :param position: that it reflects.
    :param behind: the first fan-out that has not come to it yet.
    """

    record: msgspec.Struct | None
    position: int
    behind: LoggedFanOut | None = None


@dataclass(slots=True)
class _FoldedDocument:
    """A document that is being folded; `taken` counts the fan-outs of its kind that it has taken up."""

    record: msgspec.Struct | None
    position: int
    taken: int
    changed: bool = False

    def become(self, record: msgspec.Struct | None, *, position: int) -> None:
        self.record, self.position, self.changed = record, position, True

    def take_up(self, id: str, logged: LoggedFanOut) -> None:
        if self.record is None or self.position >= logged.position:
            return
        revised = logged.fan_out.revise(id, self.record)
        if revised is not self.record:
            self.become(revised, position=logged.position)


class Fold(Documents):
    """
    All documents of one projection at one position of the log; it is the `Documents` that the projection writes to.

    A document is kept as the bytes of its record: 100,000 people take 150 MB. What an event does to all members of
    something is taken up when a document is looked at, so it costs nothing to fold.
    """

    def __init__(self, projection: Projection) -> None:
        self.projection = projection
        self.position = 0
        self.identity = LogIdentity(None, 0)
        """The id of the last event folded, and how many there were."""
        self._decoders = {kind.name: msgspec.json.Decoder(kind.record) for kind in projection.kinds}
        self._kept: dict[str, dict[str, bytes]] = {kind.name: {} for kind in projection.kinds}
        self.fan_outs: list[LoggedFanOut] = []
        """Every event so far that concerned all documents of a list, in order."""
        self._fan_outs: dict[str, list[LoggedFanOut]] = {kind.name: [] for kind in projection.kinds}
        self.erased_by = 0
        """Where the last erasure stands of which an event so far was redacted: up to there nothing can be compared."""
        self.trimmed = 0
        """Up to where nothing is folded from here on, because nothing of it is kept."""
        self.parking = NOTHING
        self.queue = ParkedQueue(NOTHING, code="")
        """What is parked or was skipped, and so is left out."""
        self.concerned: set[Key] = set()
        """Documents that do not reflect the whole log because of that."""
        self._left_out: set[int] = set()
        self._open: dict[Key, _FoldedDocument] = {}
        self._before: list[tuple[_FoldedDocument, _FoldedDocument]] = []
        """What the event at hand has changed, and what that was before."""

    def leave_out(self, parking: Parking) -> None:
        """
        From here on go by what is parked and was skipped.

        :raises Superseded: of the events so far, others are left out by now.
        """
        if parking == self.parking:
            return
        queue = ParkedQueue(parking, code="")
        if queue.left_out(until=self.position) != self._left_out:
            raise Superseded("events were parked or released")
        self.parking, self.queue, self.concerned = parking, queue, parking.concerned()

    def advance(self, events: Sequence[RecordedEvent]) -> set[Key]:
        """
        Fold what follows in the log; gives the documents that were touched by it, those of a fan-out not included.

        :raises EventNotFoldable: the projection failed on one of them, which has had no effect.
        """
        for recorded in events:
            self.take(recorded)
        return self.close()

    def __contains__(self, key: Key) -> bool:
        return key.id in self._kept[key.kind]

    def __len__(self) -> int:
        return sum(map(len, self._kept.values()))

    def __iter__(self) -> Iterator[Key]:
        """Every document that may be there; those that a fan-out drops are among them."""
        for kind, documents in self._kept.items():
            yield from (Key(kind, id_) for id_ in list(documents))

    def states(self, key: Key, *, since: int | None = None) -> list[DocumentState]:
        """
        Return the states that the document may be in; the last one is the one in which it has taken up everything.

        :param since: the position of the first fan-out that is under way, if one is.
        """
        document, states = self._read(key), []
        for logged in self._fan_outs[key.kind][document.taken :]:
            before = DocumentState(document.record, document.position, logged)
            is_under_way = since is not None and logged.position >= since
            try:
                self._take_up(key, document, logged)
            except EventNotFoldable:  # parked as soon as the fan-out comes by
                if not is_under_way:
                    raise
            if is_under_way and document.record is not before.record:
                states.append(before)
        return [*states, DocumentState(document.record, document.position)]

    def body(self, kind: str, id: str) -> bytes | None:
        """The JSON of a record; None if there is none."""
        record = self.states(Key(kind, id))[-1].record
        return None if record is None else _encode(record)

    def written(self, recorded: RecordedEvent) -> set[Key]:
        """
        The documents that an event writes.

        :raises EventNotFoldable: that cannot be known.
        """
        self.projection.require_known(recorded)
        touched = self.projection.plan.touched(recorded)
        return {*touched.saved, *touched.versioned}

    def find(self, kind: Kind[Record], id: UUID | str) -> Record | None:
        return cast("Record | None", self._opened(kind.key(id)).record)

    def save(self, kind: Kind[Record], id: UUID | str, record: Record) -> None:
        self._change(kind.key(id), record)

    def forget(self, kind: Kind[Record], id: UUID | str) -> None:
        self._change(kind.key(id), None)

    def _change(self, key: Key, record: msgspec.Struct | None) -> None:
        if not self.projection.holds(key):  # it lies in another partition
            return
        document = self._opened(key)
        self._before.append((document, replace(document)))
        document.become(record, position=self.position)

    def take(self, recorded: RecordedEvent) -> None:
        """Fold one event of those that `close` ends."""
        self.projection.require_known(recorded)
        self.position = recorded.position
        self.identity = LogIdentity(recorded.event_id, self.identity.count + 1)
        if isinstance(event := recorded.event, Redacted):
            self.erased_by = max(self.erased_by, event.by)
        concerns = self.projection.concerns
        if recorded.position <= self.trimmed or (concerns and not concerns(recorded)):
            return
        if self.queue.leaves_out(recorded.position):
            self._left_out.add(recorded.position)
            return
        if self._project(recorded) and (fan_out := self.projection.fan_out(event)):
            self.fan_outs.append(logged := LoggedFanOut(recorded.position, fan_out))
            self._fan_outs[fan_out.kind.name].append(logged)

    def _project(self, recorded: RecordedEvent) -> bool:
        """
        Have the documents reflect an event; says whether it had an effect.

        One that concerns documents which lack an earlier one may have had none because it was folded late.
        """
        self._before.clear()
        try:
            self.projection.react(recorded, self)
        except Exception as error:
            self._undo()
            if not self.concerned.isdisjoint(self.written(recorded)):
                return False
            # Its text may quote people's data, and so is left out.
            raise self.projection.not_foldable(recorded, type(error).__name__) from error
        return True

    def _undo(self) -> None:
        for document, before in reversed(self._before):
            document.record, document.position, document.changed = before.record, before.position, before.changed

    def _opened(self, key: Key) -> _FoldedDocument:
        if (document := self._open.get(key)) is None:
            document = self._open[key] = self._read(key)
        for logged in self._fan_outs[key.kind][document.taken :]:
            self._take_up(key, document, logged)
        return document

    def _take_up(self, key: Key, document: _FoldedDocument, logged: LoggedFanOut) -> None:
        document.taken += 1
        if self.queue.leaves_out(logged.position, key):
            return
        try:
            document.take_up(key.id, logged)
        except Exception as error:
            raise EventNotFoldable(
                f"projection {self.projection.name} cannot bring the event at position {logged.position} to {key.kind}"
                f" {key.id}: {type(error).__name__}"
            ) from error

    def _read(self, key: Key) -> _FoldedDocument:
        if (kept := self._kept[key.kind].get(key.id)) is None:
            return _FoldedDocument(None, 0, len(self._fan_outs[key.kind]))
        header, _, body = kept.partition(b"\n")
        position, taken = map(int, header.split())
        return _FoldedDocument(self._decoders[key.kind].decode(body), position, taken)

    def close(self) -> set[Key]:
        """Keep what was folded; give the documents that were touched, those of a fan-out not included."""
        changed = {key: document for key, document in self._open.items() if document.changed}
        self._open.clear()
        for key, document in changed.items():
            self._keep(key, document)
        return set(changed)

    def _keep(self, key: Key, document: _FoldedDocument) -> None:
        if document.record is None:
            self._kept[key.kind].pop(key.id, None)
        else:
            header = b"%d %d\n" % (document.position, document.taken)
            self._kept[key.kind][key.id] = header + _encode(document.record)


def advance_together(folds: Sequence[Fold], events: Sequence[RecordedEvent]) -> None:
    """
    Fold what follows in the log into parts of a projection, event by event: each is routed once.

    :raises EventNotFoldable: see `Fold.advance`.
    """
    for recorded in events:
        for fold in folds:
            fold.take(recorded)
    for fold in folds:
        fold.close()


class RecordsAhead:
    """
    Folds on behind the checkpoint, as the projector will: what cannot be folded is put aside with all it would write.

    The folds are of no use to others afterwards.
    """

    def __init__(self, folds: Sequence[Fold]) -> None:
        """:param folds: of parts of one projection, or the only one."""
        self.position = min(each.position for each in folds)
        self._folds = folds
        self._keys = set[Key]().union(*(each.concerned for each in folds))
        self._incomplete = {key.id for key in self._keys}

    @property
    def incomplete(self) -> Collection[str]:
        return self._incomplete

    def advance(self, events: Sequence[RecordedEvent]) -> None:
        """
        Fold what follows in the log.

        :raises EventNotFoldable: it cannot be known what an event would write.
        """
        for recorded in events:
            for fold in self._folds:
                if recorded.position > fold.position:
                    self._take(recorded, fold)
            self.position = recorded.position

    def holder(self, key: Key) -> Fold | None:
        """Return the fold that has a document, if it is there."""
        return next((each for each in self._folds if each.projection.holds(key)), None)

    def ids(self, kind: str) -> Iterator[str]:
        return (key.id for fold in self._folds for key in fold if key.kind == kind and self.body(*key) is not None)

    def body(self, kind: str, id: str) -> bytes | None:
        fold = self.holder(Key(kind, id))
        try:
            return fold.body(kind, id) if fold else None
        except EventNotFoldable:  # an event of its group, say: its part will be parked
            self._incomplete.add(id)
            return None

    def _take(self, recorded: RecordedEvent, fold: Fold) -> None:
        written = fold.written(recorded)
        if not self._keys.isdisjoint(written):
            self._put_aside(written)
            return
        try:
            fold.advance([recorded])
        except EventNotFoldable:
            self._put_aside(written)

    def _put_aside(self, keys: Collection[Key]) -> None:
        self._keys |= set(keys)
        self._incomplete |= {key.id for key in keys}
