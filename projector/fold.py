"""From events and the documents they touch to one commit: pure, no I/O."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import NamedTuple

import msgspec

from projector.documents import Envelopes, FoldedDocuments, Sweeping
from projector.placing import Placer
from projector.ports import Batch, EventNotFoldable
from projector.projection import DocumentMissing, FanOut, Key, Listed, NotPrefetched, Placed, Projection
from shared.event_log import RecordedEvent, UnknownEvent
from shared.records import Checkpoint, Sweep

MOST_SWEEPS = 16
"""Under way at once: each is a question to every document that is opened."""


class Folded(NamedTuple):
    """One commit, and what will be under way after it."""

    batch: Batch
    sweeping: tuple[Sweeping, ...]


class Folder:
    """Folds batches of events for one projection."""

    def __init__(self, projection: Projection) -> None:
        self.projection = projection
        self._placer = Placer(projection)
        self._decoders = {kind.name: msgspec.json.Decoder(kind.record) for kind in projection.kinds}

    def wanted(self, events: Iterable[RecordedEvent], envelopes: Envelopes) -> set[Key]:
        """The documents that the events touch and that are not among those fetched."""
        documents = self._documents(envelopes, Checkpoint(), ())
        known = [each for each in events if not isinstance(each.event, UnknownEvent)]
        return {key for each in known for key in self.projection.needs(each, documents)} - envelopes.keys()

    def fold(
        self,
        events: Sequence[RecordedEvent],
        envelopes: Envelopes,
        *,
        after: Checkpoint,
        sweeping: Sequence[Sweeping] = (),
    ) -> Folded:
        """
        What the events make of the documents and of the checkpoint.

        An event that cannot be folded ends the batch before it; one that begins the last sweep there may be, with it.

        :param sweeping: what is under way: fewer than `MOST_SWEEPS`.
        :raises EventNotFoldable: it is the first.
        """
        documents = self._documents(envelopes, after, sweeping)
        for nth, recorded in enumerate(events):
            try:
                self._fold_one(recorded, documents)
            except EventNotFoldable:
                if nth:
                    return self.fold(events[:nth], envelopes, after=after, sweeping=sweeping)
                raise
            if len(documents.sweeping) >= MOST_SWEEPS:
                events = events[: nth + 1]
                break
        return self._committable(documents, _moved(after, events, documents.sweeping), documents.sweeping)

    def sweep(
        self, entries: Sequence[bytes], envelopes: Envelopes, *, after: Checkpoint, sweeping: Sequence[Sweeping]
    ) -> Folded:
        """
        What the first of the sweeps under way makes of the next documents on its way.

        :param entries: of its list, none if its end is reached.
        :param envelopes: of the documents they lead to.
        """
        first, *others = sweeping
        documents = self._documents(envelopes, after, sweeping)
        strays = list(_strays(entries, first.fan_out, documents))
        going_on = [first._replace(sweep=Sweep(first.position, entry)) for entry in entries[-1:]]
        return self._committable(documents, _revised(after, left := [*going_on, *others]), left, strays=strays)

    def fan_out_of(self, recorded: RecordedEvent) -> FanOut | None:
        """What an event does to more documents than it names."""
        if isinstance(recorded.event, UnknownEvent):
            raise self._not_foldable(recorded, f"{recorded.event.type!r} is unknown: {recorded.event.why}")
        return self.projection.fan_out(recorded.event)

    def _documents(self, envelopes: Envelopes, after: Checkpoint, sweeping: Collection[Sweeping]) -> FoldedDocuments:
        return FoldedDocuments(envelopes, self.projection, self._decoders, after, list(sweeping))

    def _committable(
        self,
        documents: FoldedDocuments,
        checkpoint: Checkpoint,
        sweeping: Sequence[Sweeping],
        *,
        strays: Collection[Placed] = (),
    ) -> Folded:
        batch = documents.batch(checkpoint=checkpoint, placer=self._placer, strays=strays)
        return Folded(batch, tuple(sweeping))

    def _fold_one(self, recorded: RecordedEvent, documents: FoldedDocuments) -> None:
        fan_out = self.fan_out_of(recorded)
        documents.position = recorded.position
        try:
            self.projection.project(recorded, documents)
        except (DocumentMissing, NotPrefetched) as error:
            raise self._not_foldable(recorded, str(error)) from error
        except Exception as error:
            # Whatever it is, it will be the same next time. Its text is left out: it may quote people's data.
            raise self._not_foldable(recorded, type(error).__name__) from error
        if fan_out:
            documents.sweeping.append(Sweeping(Sweep(recorded.position), fan_out))

    def _not_foldable(self, recorded: RecordedEvent, why: str) -> EventNotFoldable:
        return EventNotFoldable(
            f"projection {self.projection.name} cannot fold the event at position {recorded.position}"
            f" ({recorded.aggregate} {recorded.aggregate_id}, version {recorded.version}): {why};"
            " deploy a projector that can"
        )


def _strays(entries: Iterable[bytes], way: FanOut, documents: FoldedDocuments) -> Iterator[Placed]:
    """Bring the event to each document on the way; tell the entries at which none stands (any more)."""
    for entry in entries:
        key = way.key(entry)
        if not way.stands(key.id, documents.open(key).record, entry):
            yield Listed(way.by, entry), key.id


def _moved(checkpoint: Checkpoint, events: Sequence[RecordedEvent], sweeping: Iterable[Sweeping]) -> Checkpoint:
    last = events[-1]
    return Checkpoint(
        position=last.position,
        event_id=last.event_id,
        count=checkpoint.count + len(events),
        revision=checkpoint.revision + 1,
        sweeps=_sweeps(sweeping),
    )


def _revised(checkpoint: Checkpoint, sweeping: Iterable[Sweeping]) -> Checkpoint:
    return msgspec.structs.replace(checkpoint, revision=checkpoint.revision + 1, sweeps=_sweeps(sweeping))


def _sweeps(sweeping: Iterable[Sweeping]) -> tuple[Sweep, ...]:
    return tuple(each.sweep for each in sweeping)
