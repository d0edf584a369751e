"""The live generation of a projection, as audits look at it."""

from projector.store.errors import GenerationDamaged, Superseded
from projector.store.inspection import GenerationInspector, GenerationQuery, GenerationSnapshot
from shared.errors import Unavailable, Unsound
from shared.read_model.positions import Pointer


class NothingToVerify(Exception):
    """There is no generation that could be compared; the message says why."""


CANNOT_LOOK = (Unavailable, Unsound, NothingToVerify, Superseded)
"""What keeps an audit from looking; it may look later."""


async def live_generation(inspector: GenerationInspector, *, projection: str) -> Pointer:
    """:raises NothingToVerify: no generation is live yet."""
    if (live := await inspector.live()) is None:
        raise NothingToVerify(f"projection {projection}: no generation is live yet")
    return live


async def inspect_live(inspector: GenerationInspector, live: Pointer, query: GenerationQuery) -> GenerationSnapshot:
    """
    Read everything asked for in one transaction.

    :raises Superseded: readers were sent to another generation.
    :raises GenerationDamaged: nothing here can be relied on.
    """
    (snapshot,) = await inspector.inspect((live,), query)
    if snapshot.live != live:
        raise Superseded("another generation went live")
    if snapshot.damaged:
        raise GenerationDamaged(snapshot.damaged)
    return snapshot
