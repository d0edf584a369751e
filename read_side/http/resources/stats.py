"""`GET /stats`: the directory in numbers."""

from collections.abc import Awaitable, Callable

import msgspec

from read_side.http.documents import DocumentRoute
from read_side.http.resource import Resource
from read_side.views import Match, StatsViews, Variant
from shared.read_model.envelope import Sealed, entity_tag
from shared.read_model.records import StatsRecord

_EMPTY = msgspec.json.encode(StatsRecord())
_NOTHING = Sealed(0, entity_tag(_EMPTY), _EMPTY)
"""What is answered while nothing has happened that is counted."""


def _find(views: StatsViews, _: Variant) -> Callable[[], Awaitable[Match]]:
    async def find() -> Match:
        match = await views.read()
        return match if match.document else Match(match.position, _NOTHING)

    return find


STATS = Resource(
    name="stats",
    port=StatsViews,
    routes=(
        DocumentRoute[StatsViews, Match](
            name="get_stats", path="/stats", summary="Get the directory in numbers", answer=StatsRecord, find=_find
        ),
    ),
    probe="/stats",
)
