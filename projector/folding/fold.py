"""From events and the documents they touch to one commit: pure, no I/O."""

from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

import msgspec

from projector.declaring.documents import Key, NotPrefetched
from projector.declaring.errors import EventNotFoldable
from projector.declaring.fan_out import FanOut, RunningFanOut
from projector.declaring.index_entries import OwnedEntry, SortedEntry
from projector.declaring.plan import Touched
from projector.declaring.projection import Projection
from projector.folding.batch import Batch
from projector.folding.codec import DocumentCodec
from projector.folding.document_session import Document, DocumentSession, Source
from projector.folding.index_changes import Indexer
from projector.folding.parking import NOTHING, Parked, ParkedQueue, Parking
from projector.folding.sealing import sealed
from shared.event_log import RecordedEvent
from shared.events import AccountErased
from shared.read_model.positions import Checkpoint, FanOutProgress

MOST_FAN_OUTS = 16
"""Under way at once: each is looked at for every document that is opened."""

MOST_WRITES = 4_000
"""What one commit may write unless a single event wants more: no reader waits long for it."""


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
    applied: int = 0
    """How many events, or parked events, or entries of a fan-out."""


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


class ProjectionFold:
    """How this code folds one projection."""

    def __init__(self, projection: Projection, *, code: str = "unnamed") -> None:
        """:param code: which code folds, see `projector.folding.code_version`; it is kept with what it cannot fold."""
        self.projection = projection
        self.code = code
        self.indexer = Indexer(projection)
        self.codecs = {kind.name: DocumentCodec(kind) for kind in projection.kinds}

    def fold(self, events: Iterable[RecordedEvent], source: Source, basis: Basis, *, most: int = MOST_WRITES) -> Folded:
        """
        Fold the first of the events, as many as one commit has room for.

        :param most: what it may write.
        :raises EventNotFoldable: as with `BatchFold.apply`.
        """
        batch = self.batch(source, basis, most=most)
        all(map(batch.apply, events))
        return batch.folded()

    def batch(self, source: Source, basis: Basis, *, most: int = MOST_WRITES) -> "BatchFold":
        """
        Begin a batch.

        :param source: gives the stored documents.
        :param basis: with fewer fan-outs than `MOST_FAN_OUTS`.
        :param most: what it may write.
        """
        queue = ParkedQueue(basis.parking, code=self.code)
        documents = DocumentSession(
            self.projection,
            source,
            queue,
            codecs=self.codecs,
            indexer=self.indexer,
            after=basis.after.position,
            fan_outs=basis.fan_outs,
        )
        return BatchFold(self, documents, basis.after, most=most)

    def fan_out_of(self, recorded: RecordedEvent) -> FanOut | None:
        """Return the fan-out of an event, if it changes more documents than it names."""
        self.projection.require_known(recorded)
        return self.projection.fan_out(recorded.event)


class BatchFold:
    """
    One commit in the making.

    Events, parked events or steps of a fan-out are applied one by one, each once, until one is refused: it begins the
    next commit. What this one would write then is as much as it may be, going by the heaviest that was applied.
    """

    def __init__(self, fold: ProjectionFold, documents: DocumentSession, after: Checkpoint, *, most: int) -> None:
        """
        :param after: the checkpoint that the documents reflect.
        :param most: fields and entries that it may write, unless the first that is applied wants more.
        """
        self.documents = documents
        self.applied = 0
        """How many were applied."""
        self._counted = 0
        """How many events of the log these stand for."""
        self._projection = fold.projection
        self._plan = fold.projection.plan
        self._code = fold.code
        self._after = after
        self._most = most
        self._heaviest = 0
        self._last: RecordedEvent | None = None
        self._strays: list[OwnedEntry] = []

    def apply(self, recorded: RecordedEvent) -> bool:
        """
        Fold an event into the documents and the checkpoint; return whether this commit had room for it.

        An event that cannot be folded is parked. One that cannot be parked either is refused, as is every event behind
        one that begins the last fan-out there may be. What is refused has changed nothing.

        :raises EventNotFoldable: the first event is of an unknown type, or names no document it writes.
        """
        if self._is_full or len(self.documents.fan_outs) >= MOST_FAN_OUTS:
            return False
        before, queue = self.documents.weight, self.documents.queue
        try:
            self._fold_one(recorded)
        except EventNotFoldable:
            if not self.applied:
                raise
            self.documents.queue = queue
            return False
        self._last = recorded
        self._counted += recorded.stands_for
        self._note(before)
        return True

    def retry(self, parked: Parked, recorded: RecordedEvent) -> bool:
        """
        Fold a parked event, or drop it if it is skipped, while no fan-out is under way; return whether there was room.

        :param recorded: the same event; those that are applied are in the order of the log.
        """
        if self._is_full or len(self.documents.fan_outs) >= MOST_FAN_OUTS:
            return False
        before = self.documents.weight
        self._retry_one(parked, recorded)
        for key in parked.documents:
            self.documents.open_whole(key)
        self._note(before)
        return True

    def bring(self, running: RunningFanOut, entry: bytes) -> bool:
        """
        Bring a fan-out under way to the next document of its list; return whether there was room.

        Where there is no document, a crash may have left a part of one, whose event does not come again if it was
        redacted meanwhile: it is removed with the entry that leads to it.
        """
        if self._is_full:
            return False
        fan_out, before = running.fan_out, self.documents.weight
        key = fan_out.key(entry)
        record = self.documents.open(key).record
        if record is None:
            self.documents.open_whole(key)
        if not fan_out.stands(key.id, record, entry):  # it was left, and by nobody else can it be struck
            self._strays.append((SortedEntry(fan_out.by, entry), key.id))
        self._note(before)
        return True

    def react(self, recorded: RecordedEvent) -> None:
        """
        Have the documents become what an event makes of them, until that is settled or undone.

        :raises Exception: whatever the projection raises; ReadOnly where it has saved what it only reads.
        """
        self._projection.react(recorded, self.documents)
        if type(recorded.event) in self._plan.reads:
            self.documents.require_none_saved(self._plan.read_only(recorded))

    def folded(self) -> Folded:
        """Return everything that has changed, as one commit."""
        last, after = self._last, self._after
        if last is None:
            checkpoint = after.revised()
        else:
            count = after.count + self._counted
            checkpoint = after.revised(position=last.position, event_id=last.event_id, count=count)
        return self._folded(checkpoint, self.documents.fan_outs)

    def fanned_out(self, entries: Sequence[bytes]) -> Folded:
        """
        Return the same for a step of the first fan-out under way.

        :param entries: those that it was to be brought to: none, if the end of the list is reached.
        """
        first, *others = self.documents.fan_outs
        done = entries[: self.applied][-1:]
        going_on = [first._replace(progress=msgspec.structs.replace(first.progress, done=each)) for each in done]
        return self._folded(self._after.revised(), [*going_on, *others])

    def _folded(self, checkpoint: Checkpoint, fan_outs: Sequence[RunningFanOut]) -> Folded:
        queue = self.documents.queue
        checkpoint = msgspec.structs.replace(checkpoint, fan_outs=tuple(each.progress for each in fan_outs))
        if queue.changed:
            checkpoint = msgspec.structs.replace(checkpoint, parked=checkpoint.revision if queue else 0)
        batch = sealed(self.documents, checkpoint, strays=self._strays)
        if not queue:
            return Folded(batch, tuple(fan_outs), applied=self.applied)
        parking = queue.parking()
        is_due = bool(parking.due(self._code))
        return Folded(batch, tuple(fan_outs), queue.failed, parking, is_due, self.applied)

    @property
    def _is_full(self) -> bool:
        return self.applied > 0 and self.documents.weight + len(self._strays) + self._heaviest > self._most

    def _note(self, before: int) -> None:
        self.applied += 1
        self._heaviest = max(self._heaviest, self.documents.weight - before)

    def _fold_one(self, recorded: RecordedEvent, *, again: bool = False) -> None:
        projection, documents = self._projection, self.documents
        projection.require_known(recorded)
        if recorded.position <= self._after.trimmed or self._is_kept_back(recorded):
            return
        try:
            fan_out = projection.fan_out(recorded.event)
            self.react(recorded)
        except MemoryError:
            raise
        except Exception as error:
            documents.undo()
            if not projection.parks:
                why = f"{type(error).__name__} in what is folded of it, and nothing may come late here"
                raise projection.not_foldable(recorded, why) from error
            documents.queue.fail(self._parked(recorded, self._plan.touched(recorded)), error, again=again)
            return
        documents.settle()
        if fan_out:
            documents.fan_outs.append(_begun(recorded, fan_out, self._after))

    def _is_kept_back(self, recorded: RecordedEvent) -> bool:
        """Whether it is skipped, or parked to wait for what was parked before it."""
        documents = self.documents
        documents.position = recorded.position
        if documents.queue:
            if documents.queue.is_skipped(recorded.position):
                return True
            self._let_go(recorded)
        if (len(documents.queue) or documents.fan_outs) and (waiting := self._waiting(recorded)):
            documents.queue.wait(waiting)
            return True
        return False

    def _waiting(self, recorded: RecordedEvent) -> Parked | None:
        """
        The event, if it cannot be folded because of what is parked before it.

        It would write a document that is behind; or read one of which there is no good state, or none that will do.
        """
        queue, touched = self.documents.queue, self._plan.touched(recorded)
        opened = {key: self._open(key, recorded).record for key in touched.all()}
        behind = {key for key in opened if queue.waits(key, before=recorded.position)}
        written = behind.difference(touched.read)
        needed = behind if self._projection.waits_to_read else {key for key in behind if opened[key] is None}
        if not written and not needed:
            return None
        return self._parked(recorded, touched, waits_for=written | needed)

    def _parked(self, recorded: RecordedEvent, touched: Touched, *, waits_for: Collection[Key] = ()) -> Parked:
        """The event with the documents it would write, which must be there, so that they can be marked."""
        there = [key for key in touched.versioned if self._open(key, recorded).record is not None]
        keys = {*touched.saved, *there, *waits_for}
        for key in keys:
            self._open(key, recorded)
        if not keys:
            raise self._projection.not_foldable(recorded, "it names no document it writes")
        return Parked(position=recorded.position, since=recorded.occurred_at, documents=tuple(sorted(keys)))

    def _open(self, key: Key, recorded: RecordedEvent) -> Document:
        try:
            return self.documents.open(key)
        except NotPrefetched as error:
            why = f"what it touches is never fetched: {error}"
            raise self._projection.not_foldable(recorded, why) from error

    def _retry_one(self, parked: Parked, recorded: RecordedEvent) -> None:
        self._projection.require_known(recorded)
        documents, queue = self.documents, self.documents.queue
        if parked.skip:
            queue.skip(parked, parked.skip)
            return
        queue.release(parked)
        if not parked.is_fan_out:
            self._fold_one(recorded, again=parked.failure is not None)
        elif queue.waits(parked.documents[0], before=parked.position):
            queue.wait(parked)
        elif fan_out := self._projection.fan_out(recorded.event):
            documents.revise(parked, fan_out, again=parked.failure is not None)

    def _let_go(self, recorded: RecordedEvent) -> None:
        """
        An erasure waits for nothing, and nothing for the erased.

        What else is parked is looked at once more, and not again when the erasure itself is tried again: two that
        cannot be folded would have each other tried for ever.
        """
        if isinstance(recorded.event, AccountErased):
            is_new = recorded.position > self._after.position
            queue = self.documents.queue = self.documents.queue.copy()
            queue.let_go_of(recorded.event.account_id, try_others=is_new)


def _begun(recorded: RecordedEvent, fan_out: FanOut, after: Checkpoint) -> RunningFanOut:
    since = after.position if recorded.position <= after.position else 0
    return RunningFanOut(FanOutProgress(recorded.position, since=since), fan_out, recorded.occurred_at)
