"""What each projection has made of an event, as it shows in the generation that readers use."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Literal, TypeAlias

import msgspec

from projector.declaring.documents import Key
from projector.declaring.errors import EventNotFoldable
from projector.declaring.partitioning import whole_of
from projector.declaring.projection import Projection
from projector.folding.parking import Parking
from projector.store.errors import GenerationDamaged, Superseded
from projector.store.inspection import GenerationQuery, GenerationSnapshot
from projector.store.ports import ProjectionStore
from shared.event_log import RecordedEvent
from shared.read_model.envelope import unseal
from shared.read_model.positions import Checkpoint

FULL = "full"
SHOWN = 20
"""Documents of one projection; an event that touches more is an erasure."""

Outcome: TypeAlias = Literal[
    "not of interest", "folded", "being brought to its documents", "not folded yet", "parked", "skipped", "unknown"
]


class TouchedDocument(msgspec.Struct, frozen=True, kw_only=True):
    """
    A document that an event touches, as it is now.

    :param position: of the last event that it reflects; null if there is no such document (any more).
    :param version: of its record, after the aggregate of the event; null where it has none.
    """

    kind: str
    id: str
    position: int | None = None
    version: int | None = None


class EventEffect(msgspec.Struct, frozen=True, kw_only=True):
    """
    What a projection has made of an event.

    :param checkpoint: of the generation that readers use.
    :param why: it is parked, was skipped, or cannot be found out.
    """

    projection: str
    outcome: Outcome
    generation: str | None = None
    checkpoint: int | None = None
    why: str | None = None
    documents: Sequence[TouchedDocument] = ()


class EventEffects:
    """Looks into the read models; nothing is kept of an event but what became of it."""

    def __init__(self, stores: Sequence[ProjectionStore]) -> None:
        self._stores = stores

    async def of(self, recorded: RecordedEvent) -> Sequence[EventEffect]:
        """
        Say of each projection what it has made of an event; of its parts, where they have made different things of it.

        :raises Unavailable: Redis does not answer.
        """
        concerned = [each for each in self._stores if _concerns(recorded, each.projection)]
        return list(_together([await self._of(store, recorded) for store in concerned]))

    async def _of(self, store: ProjectionStore, recorded: RecordedEvent) -> EventEffect:
        name, inspector = store.projection.label, store.inspector
        keys = _touched(store.projection, recorded)
        if keys is not None and not keys and not store.projection.fan_out(recorded.event):
            return EventEffect(projection=name, outcome="not of interest")
        if (live := await inspector.live()) is None:
            return EventEffect(projection=name, outcome="not folded yet", why="it is being filled")
        try:
            [found] = await inspector.inspect([live], GenerationQuery((keys or ())[:SHOWN], variants=(FULL,)))
        except (Superseded, GenerationDamaged) as error:
            return EventEffect(projection=name, outcome="unknown", generation=live.generation, why=str(error))
        outcome, why = outcome_of(recorded.position, found)
        return EventEffect(
            projection=name,
            outcome=outcome,
            generation=live.generation,
            checkpoint=found.checkpoint.reached,
            why=why,
            documents=_documents(found, recorded),
        )


def _concerns(recorded: RecordedEvent, projection: Projection) -> bool:
    return projection.concerns is None or projection.concerns(recorded)


def _together(effects: Iterable[EventEffect]) -> Iterator[EventEffect]:
    """Put parts of a projection together that have made the same of an event."""
    alike: dict[tuple[str, Outcome, str | None], list[EventEffect]] = {}
    for each in effects:
        alike.setdefault((whole_of(each.projection), each.outcome, each.why), []).append(each)
    for (projection, outcome, why), those in alike.items():
        documents = {(each.kind, each.id): each for effect in those for each in effect.documents}
        yield (
            those[0]
            if len(those) == 1
            else EventEffect(
                projection=projection,
                outcome=outcome,
                checkpoint=min((each.checkpoint for each in those if each.checkpoint is not None), default=None),
                why=why,
                documents=list(documents.values())[:SHOWN],
            )
        )


def _touched(projection: Projection, recorded: RecordedEvent) -> Sequence[Key] | None:
    """Return the documents that an event writes; None where that cannot be known."""
    try:
        touched = projection.plan.touched(recorded)
    except EventNotFoldable:
        return None
    return sorted({*touched.saved, *touched.versioned})


def outcome_of(position: int, found: GenerationSnapshot) -> tuple[Outcome, str | None]:
    if found.damaged:
        return "unknown", found.damaged
    return _left_out(position, found.parking) or (_reached(position, found.checkpoint), None)


def _left_out(position: int, parking: Parking) -> tuple[Outcome, str] | None:
    for parked in parking.events:
        if parked.position == position and not parked.is_fan_out:
            return "parked", parked.failure.error if parked.failure else "it waits behind another"
    for each in parking.skipped:
        if each.position == position:
            return "skipped", f"{each.skip.reason} ({each.skip.by})"
    return None


def _reached(position: int, checkpoint: Checkpoint) -> Outcome:
    if position <= checkpoint.reached:
        return "folded"
    return "being brought to its documents" if position <= checkpoint.position else "not folded yet"


def _documents(found: GenerationSnapshot, recorded: RecordedEvent) -> Sequence[TouchedDocument]:
    field = "profile_version" if recorded.aggregate == "profile" else "version"
    return [
        TouchedDocument(kind=key.kind, id=key.id, position=position, version=versions.get(field))
        for (key, _), sealed in found.documents.items()
        for position, versions in [_opened(sealed)]
    ]


def _opened(sealed: bytes | None) -> tuple[int | None, Mapping[str, int]]:
    if sealed is None:
        return None, {}
    document = unseal(sealed)
    with suppress(msgspec.DecodeError):
        return document.position, msgspec.to_builtins(msgspec.json.decode(document.body, type=_Versions))
    return document.position, {}


class _Versions(msgspec.Struct, omit_defaults=True):
    """The versions that stand in a record."""

    version: int | None = None
    profile_version: int | None = None
