"""Reading back what a projection keeps about its generations."""

from typing import TypeVar

import msgspec

from projector.generations import Generation, Roster
from projector.ports import GenerationDamaged
from projector.remedies import refill
from shared.keys import ProjectionKeys
from shared.records import Checkpoint, Pointer

Stored = TypeVar("Stored", Pointer, Roster, Checkpoint)


def decoded(value: bytes | None, type_: type[Stored], *, keys: ProjectionKeys) -> Stored | None:
    """
    A pointer, roster or checkpoint, None if there is none.

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
