"""Names that commands are given."""

from collections.abc import Sequence

from projector.declaring.partitioning import whole_of
from projector.projections.registry import PROJECTIONS
from shared.cli.exit_codes import WrongUsage
from shared.read_model.partitions import UNIQUE_ENTRIES
from shared.wording import counted, suggestion


def require_known(name: str | None) -> None:
    """:raises WrongUsage: whatever parts there are, none is of a projection of that name."""
    known = [each.name for each in PROJECTIONS]
    if name is not None and whole_of(name).partition("@")[0] not in {*known, UNIQUE_ENTRIES}:
        raise WrongUsage(f"there is no projection {name!r}: {suggestion(name, known)}")


def parts_named(name: str | None, parts: Sequence[str]) -> Sequence[str]:
    """
    Return the parts of projections that a name stands for: all that readers use, all of one, or a single part.

    :param parts: that there are, by their labels.
    :raises WrongUsage: there is none of that name.
    """
    require_known(name)
    if name is None:
        return [each for each in parts if "@" not in each]
    if found := [each for each in parts if name in {each, whole_of(each)}]:
        return found
    others = [each for each in parts if whole_of(each) == whole_of(str(name))]
    how = f"{whole_of(str(name))} has {counted(len(others), 'part')} here" if others else "see `muster layout`"
    raise WrongUsage(f"there is no {name!r}: {how}")


def wholes_named(name: str | None, parts: Sequence[str]) -> Sequence[str]:
    """
    Return the same by the names of whole projections, but for a single part.

    :raises WrongUsage: likewise.
    """
    found = parts_named(name, parts)
    return found if name in found else list(dict.fromkeys(map(whole_of, found)))
