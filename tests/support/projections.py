"""Projections as other releases may have them."""

from typing import Any, TypeVar

from projector.declaring.projection import Projection
from projector.projections.registry import PROJECTIONS

PARKING = [each for each in PROJECTIONS if each.parks]
"""Those that put aside what they cannot fold."""

Other = TypeVar("Other", bound=Projection)


def derived(projection: Projection, kind: type[Other], **changes: Any) -> Other:
    """The same table of reactions in a class that changes what is made of it, with other attributes."""
    other = object.__new__(kind)
    other.__dict__ |= projection.__dict__ | changes
    return other


def newer(projection: Projection) -> Projection:
    """The next version of a projection, which does the same."""
    return derived(projection, type(projection), version=projection.version + 1)
