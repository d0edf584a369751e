"""What is parked as operators are told: the same document of several parts of a projection is one."""

from collections.abc import Iterator, Mapping, Sequence

import msgspec

from projector.declaring.documents import Key
from projector.declaring.partitioning import whole_of
from projector.folding.parking import Parked, Parking
from projector.parked.answers import FailedEvent, ParkedDocument, ParkedReport, SkippedEvent


def report_on(parkings: Mapping[str, Parking], id: str | None = None) -> ParkedReport:
    """
    Report what is parked in parts of projections, by their labels.

    :param id: of the documents that alone are wanted.
    """
    queues: dict[tuple[str, Key], dict[str, Sequence[Parked]]] = {}
    for label, parking in parkings.items():
        for key, queue in parking.documents().items():
            if id in {None, key.id}:
                queues.setdefault((whole_of(label), key), {})[label] = queue
    return ParkedReport(
        parked=tuple(_document(projection, key, those) for (projection, key), those in queues.items()),
        skipped=tuple(_skipped(parkings, id)),
    )


def _document(projection: str, key: Key, queues: Mapping[str, Sequence[Parked]]) -> ParkedDocument:
    events = {each.position: each for queue in queues.values() for each in queue}
    waiting = [events[position] for position in sorted(events)]
    return ParkedDocument(
        projection=projection,
        kind=key.kind,
        id=key.id,
        stale_since=min(queue[0].since for queue in queues.values()),
        waiting=tuple(each.position for each in waiting),
        failed=tuple(
            FailedEvent(position=each.position, error=each.failure.error, code=each.failure.code)
            for each in waiting
            if each.failure
        ),
        parts=() if projection in queues else tuple(queues),
    )


def _skipped(parkings: Mapping[str, Parking], id: str | None) -> Iterator[SkippedEvent]:
    """Give what was skipped; of several parts by one order, once, with the documents of all."""
    documents: dict[SkippedEvent, dict[Key, None]] = {}
    for label, parking in parkings.items():
        for each in parking.skipped:
            event = SkippedEvent(
                projection=whole_of(label),
                position=each.position,
                documents=(),
                error=each.error,
                reason=each.skip.reason,
                by=each.skip.by,
                at=each.skip.at,
            )
            documents.setdefault(event, {}).update(dict.fromkeys(each.documents))
    for event, keys in documents.items():
        if id is None or any(key.id == id for key in keys):
            yield msgspec.structs.replace(event, documents=tuple(keys))
