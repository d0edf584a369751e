"""Reading back what a projection keeps about its generations."""

from typing import TypeVar

import msgspec

from projector.ports import GenerationDamaged
from projector.remedies import refill
from shared.keys import ProjectionKeys
from shared.records import Checkpoint, Pointer

Stored = TypeVar("Stored", Pointer, Checkpoint)


def decoded(value: bytes | None, type_: type[Stored], *, keys: ProjectionKeys) -> Stored | None:
    """
    A pointer or checkpoint, None if there is none.

    :raises GenerationDamaged: there is something else.
    """
    try:
        return None if value is None else msgspec.json.decode(value, type=type_)
    except msgspec.DecodeError as error:
        name = type_.__name__.lower()
        raise GenerationDamaged(
            f"projection {keys.projection}: its {name} cannot be read ({error}); {refill(keys)}"
        ) from error
