"""`GET /stats`: the directory in numbers."""

from collections.abc import Sequence

import msgspec
from litestar.types import HTTPScope

from read_side.http.conditions import minimum_position
from read_side.http.responses import DocumentResponse
from read_side.http.router import Destination, Outcomes, Router
from read_side.views import StatsViews
from shared.read_model.envelope import Sealed, entity_tag
from shared.read_model.records import StatsRecord

STATS = "/stats"


def stats_routes(views: StatsViews) -> Router:
    """Make the application mounted at `/stats`."""
    stats = StatsRoute(views)

    def find(path: list[bytes]) -> Destination | None:
        return (stats, ()) if path == [b"", b"stats"] else None

    return Router(find)


class StatsRoute:
    """Answers also while nothing has happened that is counted."""

    template = STATS

    def __init__(self, views: StatsViews) -> None:
        self._views = views
        self.outcomes = Outcomes(STATS)

    async def answer(self, scope: HTTPScope, segments: Sequence[bytes]) -> DocumentResponse:  # noqa: ARG002 - there are no keys
        answer = await self._views.freshness.reach(minimum_position(scope), self._views.read)
        return DocumentResponse(answer.position, answer.document or _NOTHING)


def _nothing() -> Sealed:
    body = msgspec.json.encode(StatsRecord())
    return Sealed(0, entity_tag(body), body)


_NOTHING = _nothing()
