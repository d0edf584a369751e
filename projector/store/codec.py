"""Reading back what a projection keeps about its generations."""

from collections.abc import Mapping
from typing import TypeVar

import msgspec

from projector.folding.parking import NOTHING, Parking
from projector.store.errors import GenerationDamaged
from projector.store.generations import Generation, Roster
from projector.store.hints import rebuild, refill
from shared.read_model.keys import ProjectionKeys
from shared.read_model.positions import Checkpoint, Pointer

Stored = TypeVar("Stored", Pointer, Roster, Checkpoint, Parking)


def decoded(value: bytes | None, type_: type[Stored], *, keys: ProjectionKeys) -> Stored | None:
    """
    A pointer, roster, checkpoint or what is parked; None if there is none.

    :raises GenerationDamaged: there is something else.
    """
    try:
        return None if value is None else msgspec.json.decode(value, type=type_)
    except msgspec.DecodeError as error:
        name = type_.__name__.lower()
        raise GenerationDamaged(
            f"projection {keys.projection}: its {name} cannot be read ({error}); {refill(keys)}"
        ) from error


def generation(checkpoint: bytes | None, damaged: bytes | None, *, keys: ProjectionKeys) -> Generation:
    """
    What is kept about one generation.

    :raises GenerationDamaged: its checkpoint cannot be read.
    """
    return Generation(decoded(checkpoint, Checkpoint, keys=keys), damaged.decode() if damaged else None)


def inherited(checkpoint: Checkpoint | None, stored: Mapping[str, bytes], *, keys: ProjectionKeys) -> Parking:
    """
    What a new generation takes over from another: that events were skipped, by whom and why.

    Where that is lost they are parked again, and seen.
    """
    try:
        parking = parking_at(checkpoint or Checkpoint(), stored, keys=keys)
    except GenerationDamaged:
        return NOTHING
    return Parking(skipped=parking.skips())


def begun(parking: Parking) -> tuple[Checkpoint, Mapping[str, bytes]]:
    """The checkpoint of a generation that holds nothing yet, and what is kept by the name it has for what is parked."""
    if parking == NOTHING:
        return Checkpoint(), {}
    return Checkpoint(revision=1, parked=1), {"1": msgspec.json.encode(parking)}


def parking_at(checkpoint: Checkpoint, stored: Mapping[str, bytes], *, keys: ProjectionKeys) -> Parking:
    """
    What is parked at a checkpoint.

    :param stored: what is kept of it, by the name that a checkpoint has for it.
    :raises GenerationDamaged: it is not there, or cannot be read.
    """
    if not checkpoint.parked:
        return NOTHING
    parking = decoded(stored.get(str(checkpoint.parked)), Parking, keys=keys)
    if parking is None:
        raise GenerationDamaged(f"projection {keys.projection}: it is lost which events are parked; {rebuild(keys)}")
    return parking
