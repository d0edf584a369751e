"""`GET /profiles/{id}/activity`: what happened to an account."""

from collections.abc import Awaitable, Callable

import msgspec

from read_side.http.endpoints import ACCOUNT
from read_side.http.lists import ListRoute, NextCursor
from read_side.http.parameters.filters import DEFAULT_LIMIT
from read_side.http.problems import PROFILE_NOT_FOUND, profile_not_found
from read_side.http.resource import Resource
from read_side.views import ActivityViews, Page, Variant
from shared.read_model.records import ActivityRecord

NO_ACCOUNT = "00000000-0000-7000-8000-000000000000"
_POSITION = 8
"""Bytes: what happened is listed by its position in the log."""


class ActivityQuery(msgspec.Struct, frozen=True):
    """How much of what happened to an account."""

    limit: int = DEFAULT_LIMIT
    after: bytes | None = None


class ActivityPage(msgspec.Struct, frozen=True):
    """What happened, newest first; `next_cursor` is null on the last page."""

    items: tuple[ActivityRecord, ...]
    next_cursor: NextCursor | None


def _find(views: ActivityViews, variant: Variant) -> Callable[[str, ActivityQuery], Awaitable[Page]]:
    async def find(account_id: str, query: ActivityQuery) -> Page:
        return await views.of(account_id, limit=query.limit, after=query.after, variant=variant)

    return find


OF_ACCOUNT = ListRoute[ActivityViews, ActivityQuery](
    name="list_profile_activity",
    path="/profiles/{id}/activity",
    summary="List what happened to an account, newest first",
    answer=ActivityPage,
    keys=(ACCOUNT,),
    problems=(PROFILE_NOT_FOUND,),
    query=lambda _: ActivityQuery(),
    find=_find,
    missing=profile_not_found,
    is_place=lambda place: len(place) == _POSITION,
)

ACTIVITY = Resource(
    name="activity", port=ActivityViews, routes=(OF_ACCOUNT,), probe=f"/profiles/{NO_ACCOUNT}/activity?limit=1"
)
