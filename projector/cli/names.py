"""Names that commands are given."""

from collections.abc import Sequence

from projector.projections.registry import PROJECTIONS, layout_of
from shared.cli.exit_codes import WrongUsage
from shared.read_model.partitions import Partitions
from shared.wording import suggestion


def wholes_named(name: str | None, *, partitions: int = 1) -> Sequence[str]:
    """
    Return the same by the names of whole projections, but for a single part.

    :raises WrongUsage: likewise.
    """
    parts = projections_named(name, partitions=partitions)
    return parts if name in parts else list(dict.fromkeys(each.partition(".")[0] for each in parts))


def projections_named(name: str | None, *, partitions: int = 1) -> Sequence[str]:
    """
    Return the projections that a name stands for, by their labels: all of them, all parts of one, or a single part.

    :raises WrongUsage: there is none of that name.
    """
    parts = [each for _, each in layout_of(PROJECTIONS, Partitions(partitions)).parts]
    if found := [each.label for each in parts if name in {None, each.name, each.label}]:
        return found
    names = dict.fromkeys(each.name for each in parts)
    raise WrongUsage(f"there is no projection {name!r}: {suggestion(str(name), names)}")
