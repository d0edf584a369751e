"""How former shapes of stored events become the current ones."""

from collections.abc import Callable
from typing import Any, TypeAlias

Shape: TypeAlias = dict[str, Any]
"""An event as its JSON says, `type` included."""

UPCASTERS: dict[str, tuple[Callable[[Shape], Shape], ...]] = {}
"""By type of event, one function for each shape there was, the oldest first; each makes the next shape of one."""


def schema_of(type_name: str) -> int:
    """The number of the shape in which events of this type are written now; it stands beside each in the log."""
    return 1 + len(UPCASTERS.get(type_name, ()))


def upcast(shape: Shape, *, type_name: str, schema: int) -> Shape:
    """Make the current shape of a former one."""
    for step in UPCASTERS[type_name][schema - 1 :]:
        shape = step(shape)
    return shape
