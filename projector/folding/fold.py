"""From events and the documents they touch to one commit: pure, no I/O."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from typing import NamedTuple

import msgspec

from projector.folding.batch import Batch
from projector.folding.document_session import DocumentSession, Envelopes
from projector.folding.documents import Key, NotPrefetched
from projector.folding.errors import EventNotFoldable
from projector.folding.fan_out import FanOut, RunningFanOut
from projector.folding.index_changes import Indexer
from projector.folding.index_entries import OwnedEntry, SortedEntry
from projector.folding.parking import NOTHING, Parked, ParkedQueue, Parking
from projector.folding.projection import Projection
from shared.event_log import RecordedEvent
from shared.events import AccountErased
from shared.read_model.positions import Checkpoint, FanOutProgress

MOST_FAN_OUTS = 16
"""Under way at once: each is looked at for every document that is opened."""


class Folded(NamedTuple):
    """One commit, and what will be under way after it."""

    batch: Batch
    fan_outs: tuple[RunningFanOut, ...]
    failed: int = 0
    """How many events it parks because they cannot be folded, not because they wait behind others."""
    parking: Parking = NOTHING
    """What is parked after it."""
    is_due: bool = False
    """Whether something that is parked is to be looked at by this code."""


class Basis(NamedTuple):
    """
    The state from which a batch goes on.

    :param after: the checkpoint that the documents reflect.
    :param fan_outs: what is under way at it.
    :param parking: what is parked at it.
    """

    after: Checkpoint = Checkpoint()
    fan_outs: Sequence[RunningFanOut] = ()
    parking: Parking = NOTHING


class BatchFold:
    """Folds batches of events for one projection."""

    def __init__(self, projection: Projection, *, code: str = "unnamed") -> None:
        """:param code: which code folds, see `projector.folding.code_version`; it is kept with what it cannot fold."""
        self.projection = projection
        self.code = code
        self._indexer = Indexer(projection)
        self._decoders = {kind.name: msgspec.json.Decoder(kind.record) for kind in projection.kinds}

    def wanted(self, events: Iterable[RecordedEvent], envelopes: Envelopes) -> set[Key]:
        """The documents that the events touch and that are not among those fetched, which it wanted before."""
        if envelopes and not self.projection.follows:
            return set()
        wanted, fetched = set[Key](), self._fetched(envelopes)
        for each in events:
            with suppress(EventNotFoldable):  # the fold will come to it, and raise
                wanted.update(*self.projection.touched(each, fetched))
        return wanted - envelopes.keys()

    def fold(self, events: Sequence[RecordedEvent], envelopes: Envelopes, basis: Basis) -> Folded:
        """
        Fold events into the documents and the checkpoint.

        An event that cannot be folded is parked. One that cannot be parked either ends the batch before it; one that
        begins the last fan-out there may be, with it.

        :param basis: with fewer fan-outs than `MOST_FAN_OUTS`.
        :raises EventNotFoldable: the first event is of an unknown type, or names no document it writes.
        """
        documents = self._documents(envelopes, basis)
        for nth, recorded in enumerate(events):
            try:
                self._fold_one(recorded, documents)
            except EventNotFoldable:
                if nth:
                    return self.fold(events[:nth], envelopes, basis)
                raise
            if len(documents.fan_outs) >= MOST_FAN_OUTS:
                events = events[: nth + 1]
                break
        return self._committable(documents, _moved(basis.after, events), documents.fan_outs)

    def refold(self, due: Iterable[tuple[Parked, RecordedEvent]], envelopes: Envelopes, basis: Basis) -> Folded:
        """
        Fold parked events that are tried again, or drop those that are skipped, while no fan-out is under way.

        :param due: in the order of the log.
        :param envelopes: of the documents that they need and of those that they are parked with.
        """
        documents = self._documents(envelopes, basis)
        for parked, recorded in due:
            self._refold_one(parked, recorded, documents)
            for key in parked.documents:
                documents.open_whole(key)
            if len(documents.fan_outs) >= MOST_FAN_OUTS:
                break
        return self._committable(documents, basis.after.revised(), documents.fan_outs)

    def fan_out(self, entries: Sequence[bytes], envelopes: Envelopes, basis: Basis) -> Folded:
        """
        Bring the first fan-out under way to the next documents of its list.

        :param entries: of its list, none if its end is reached.
        :param envelopes: of the documents they lead to.
        """
        first, *others = basis.fan_outs
        documents = self._documents(envelopes, basis)
        strays = list(_strays(entries, first.fan_out, documents))
        going_on = [
            first._replace(progress=msgspec.structs.replace(first.progress, done=entry)) for entry in entries[-1:]
        ]
        return self._committable(documents, basis.after.revised(), [*going_on, *others], strays=strays)

    def fan_out_of(self, recorded: RecordedEvent) -> FanOut | None:
        """Return the fan-out of an event, if it changes more documents than it names."""
        self.projection.require_known(recorded)
        return self.projection.fan_out(recorded.event)

    def _documents(self, envelopes: Envelopes, basis: Basis) -> DocumentSession:
        queue = ParkedQueue(basis.parking, code=self.code)
        return DocumentSession(envelopes, self.projection, self._decoders, basis.after, list(basis.fan_outs), queue)

    def _fetched(self, envelopes: Envelopes) -> DocumentSession:
        """Return the stored documents, as `touches` sees them."""
        return self._documents(envelopes, Basis())

    def _committable(
        self,
        documents: DocumentSession,
        checkpoint: Checkpoint,
        fan_outs: Sequence[RunningFanOut],
        *,
        strays: Collection[OwnedEntry] = (),
    ) -> Folded:
        queue, parking = documents.queue, documents.queue.parking()
        checkpoint = msgspec.structs.replace(checkpoint, fan_outs=tuple(each.progress for each in fan_outs))
        if queue.changed:
            checkpoint = msgspec.structs.replace(checkpoint, parked=checkpoint.revision if queue else 0)
        batch = documents.batch(checkpoint=checkpoint, indexer=self._indexer, strays=strays)
        return Folded(batch, tuple(fan_outs), queue.failed, parking, bool(parking.due(self.code)))

    def _fold_one(self, recorded: RecordedEvent, documents: DocumentSession, *, again: bool = False) -> None:
        self.projection.require_known(recorded)
        documents.begin(recorded.position)
        queue = documents.queue
        if queue.is_skipped(recorded.position):
            return
        if (len(queue) or documents.fan_outs) and (waiting := self._waiting(recorded, documents)):
            queue.wait(waiting)
            return
        try:
            fan_out = self.projection.fan_out(recorded.event)
            self.projection.react(recorded, documents)
            documents.require_none_saved(self.projection.read_only(recorded))
        except MemoryError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, it will be the same next time
            documents.undo()
            queue.fail(self._parked(recorded, documents), error, again=again)
            return
        if queue:
            _let_go(recorded, documents)
        if fan_out:
            documents.fan_outs.append(_begun(recorded, fan_out, documents.after))

    def _waiting(self, recorded: RecordedEvent, documents: DocumentSession) -> Parked | None:
        """
        The event, if it cannot be folded because of what is parked before it.

        It would write a document that is behind; or read one of which there is no good state, or none that will do.
        """
        queue, touched = documents.queue, self.projection.touched(recorded, self._fetched(documents.envelopes))
        opened = {key: documents.open(key).record for key in touched.all()}
        _let_go(recorded, documents)
        behind = {key for key in opened if queue.waits(key, before=recorded.position)}
        written = behind.difference(touched.read)
        needed = behind if self.projection.waits_to_read else {key for key in behind if opened[key] is None}
        if not written and not needed:
            return None
        return self._parked(recorded, documents, waits_for=written | needed)

    def _parked(
        self, recorded: RecordedEvent, documents: DocumentSession, *, waits_for: Collection[Key] = ()
    ) -> Parked:
        """The event with the documents it would write, which must be there, so that they can be marked."""
        touched = self.projection.touched(recorded, self._fetched(documents.envelopes))
        try:
            there = [key for key in touched.versioned if documents.open(key).record is not None]
            keys = {*touched.saved, *there, *waits_for}
            for key in keys:
                documents.open(key)
        except NotPrefetched as error:
            raise self.projection.not_foldable(recorded, f"what it touches is never fetched: {error}") from error
        if not keys:
            raise self.projection.not_foldable(recorded, "it names no document it writes")
        return Parked(position=recorded.position, since=recorded.occurred_at, documents=tuple(sorted(keys)))

    def _refold_one(self, parked: Parked, recorded: RecordedEvent, documents: DocumentSession) -> None:
        queue = documents.queue
        if parked.skip:
            queue.skip(parked, parked.skip)
            return
        queue.release(parked)
        if not parked.is_fan_out:
            self._fold_one(recorded, documents, again=parked.failure is not None)
        elif queue.waits(parked.documents[0], before=parked.position):
            queue.wait(parked)
        elif fan_out := self.fan_out_of(recorded):
            documents.revise(parked, fan_out, again=parked.failure is not None)


def _let_go(recorded: RecordedEvent, documents: DocumentSession) -> None:
    """
    An erasure waits for nothing, and nothing for the erased.

    What else is parked is looked at once more, and not again when the erasure itself is tried again: two that cannot be
    folded would have each other tried for ever.
    """
    if isinstance(recorded.event, AccountErased):
        is_new = recorded.position > documents.after.position
        documents.queue.let_go_of(recorded.event.account_id, try_others=is_new)


def _strays(entries: Iterable[bytes], fan_out: FanOut, documents: DocumentSession) -> Iterator[OwnedEntry]:
    """
    Bring the event to each document of the list; give the entries at which none stands (any more).

    Where there is no document, a crash may have left a part of one, whose event does not come again if it was redacted
    meanwhile: it is removed with the entry that leads to it.
    """
    for entry in entries:
        key = fan_out.key(entry)
        record = documents.open(key).record
        if record is None:
            documents.open_whole(key)
        if not fan_out.stands(key.id, record, entry):
            yield SortedEntry(fan_out.by, entry), key.id


def _begun(recorded: RecordedEvent, fan_out: FanOut, after: Checkpoint) -> RunningFanOut:
    since = after.position if recorded.position <= after.position else 0
    return RunningFanOut(FanOutProgress(recorded.position, since=since), fan_out, recorded.occurred_at)


def _moved(checkpoint: Checkpoint, events: Sequence[RecordedEvent]) -> Checkpoint:
    last = events[-1]
    return checkpoint.revised(position=last.position, event_id=last.event_id, count=checkpoint.count + len(events))
