"""Names that commands are given."""

from projector.projections.registry import PROJECTIONS
from shared.cli.exit_codes import WrongUsage
from shared.wording import suggestion


def require_projection(name: str | None) -> None:
    """:raises WrongUsage: there is no projection of that name; None stands for all of them."""
    names = [each.name for each in PROJECTIONS]
    if name is not None and name not in names:
        raise WrongUsage(f"there is no projection {name!r}: {suggestion(name, names)}")
