"""What an operator is told when a projection stops, and what to do then."""

from collections.abc import Sequence

from shared.keys import GenerationKeys, ProjectionKeys


def refill(keys: ProjectionKeys) -> str:
    """How a projection starts over from the first event."""
    return (
        f"to fill it anew, delete the Redis keys {keys.live} and {keys.filling} in one DEL (readers get 503 until it is"
        f" full) and unlink {keys.live.removesuffix('live')}<old generation>:* afterwards,"
        " or start with `muster up --fresh`"
    )


def damage(keys: GenerationKeys, failures: Sequence[str]) -> str:
    """What is to be read in a generation that took only a part of a commit."""
    return (
        f"projection {keys.projection}: a commit to generation {keys.name} was applied in part"
        f" ({'; '.join(failures)}); {refill(ProjectionKeys(keys.projection))}"
    )
