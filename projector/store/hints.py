"""What to do when a projection stops, for messages to operators."""

from collections.abc import Sequence

from shared.read_model.keys import GenerationKeys, ProjectionKeys
from shared.read_model.positions import Pointer

CLOSED = "nothing is written: readers go to another layout"


def rebuild(projection: str) -> str:
    """Say how a projection gets a new generation beside one that cannot be gone on with."""
    return f"`muster rebuild {projection}` replaces it while it is being read"


def broken(projection: str, why: str) -> str:
    """Why a generation cannot be gone on with, and what to do."""
    return f"projection {projection}: {why}; {rebuild(projection)}"


def forced_rebuild(projection: str) -> str:
    """The same where the new generation may stand before the old one."""
    return f"`muster rebuild {projection} --force` replaces it while it is being read"


def frozen(projection: str, live: Pointer, version: int) -> str:
    """What is to be read where another version has made what readers use, and no process of it is there."""
    made = f"generation {live.generation} was made by version {live.version} and is frozen"
    return broken(projection, f"{made}, this projector has version {version}")


def refill(keys: ProjectionKeys) -> str:
    """Say how a projection starts over from nothing."""
    return (
        f"to fill it anew, delete the Redis keys {keys.live} and {keys.roster} in one DEL (readers get 503 until it is"
        f" full) and unlink {keys.live.removesuffix('live')}<old generation>:* afterwards,"
        " or start with `muster up --fresh`"
    )


def damage(keys: GenerationKeys, failures: Sequence[str]) -> str:
    """What is to be read in a generation that took only a part of a commit."""
    why = f"a commit to generation {keys.name} was applied in part ({'; '.join(failures)})"
    return broken(keys.projection, why)
