"""`GET /profiles…`: people by their keys and in lists, and what happened to them."""

from collections.abc import Awaitable, Callable, Mapping

import msgspec

from read_side.http import filters
from read_side.http.documents import DocumentRoute
from read_side.http.lists import ListRoute, ends_in_id
from read_side.http.problems import profile_not_found
from read_side.http.queries import profile_query
from read_side.http.routes import Mounted, Route, Routed
from read_side.views import ActivityViews, Answer, Page, ProfileViews
from shared.http.problems import Rejection

BY_ID = "/profiles/{id}"
BY_HANDLE = "/profiles/by-handle/{handle}"
BY_EMAIL = "/profiles/by-email/{email}"
BY_EXTERNAL_ID = "/profiles/by-external-id/{external_id}"
ALL = "/profiles"
ACTIVITY = "/profiles/{id}/activity"


class ActivityQuery(msgspec.Struct, frozen=True):
    """How much of what happened to somebody."""

    limit: int = filters.DEFAULT_LIMIT
    after: bytes | None = None


def profile_routes(views: ProfileViews, activity: ActivityViews) -> Mounted:
    """Make the application mounted at `/profiles`."""
    by_id = _look_up(BY_ID, views.by_id, views, filters.account_id)
    everybody, happened = _list(views), _activity(activity)
    by_key: Mapping[bytes, Route] = {
        b"by-handle": _look_up(BY_HANDLE, views.by_handle, views),
        b"by-email": _look_up(BY_EMAIL, views.by_email, views),
        b"by-external-id": _look_up(BY_EXTERNAL_ID, views.by_external_id, views),
    }

    def find(path: list[bytes]) -> Routed | None:
        match path:
            case [b"", b"profiles", segment] if segment:
                return by_id, (segment,)
            case [b"", b"profiles", by, segment] if segment and by in by_key:
                return by_key[by], (segment,)
            case [b"", b"profiles"]:
                return everybody, ()
            case [b"", b"profiles", segment, b"activity"] if segment:
                return happened, (segment,)
        return None

    return Mounted(find)


def _look_up(
    template: str, find: Callable[[str], Awaitable[Answer]], views: ProfileViews, parse: Callable[[str], str] = str
) -> Route:
    def missing(answer: Answer) -> Rejection:
        return profile_not_found(answer.position)

    return DocumentRoute(template, parse, find=find, freshness=views.freshness, missing=missing)


def _list(views: ProfileViews) -> Route:
    return ListRoute(
        ALL,
        query=profile_query,
        find=views.list,
        freshness=views.freshness,
        is_place=ends_in_id,
        missing=profile_not_found,
    )


def _activity(views: ActivityViews) -> Route:
    async def find(account_id: str, query: ActivityQuery) -> Page:
        return await views.of(account_id, limit=query.limit, after=query.after)

    return ListRoute(
        ACTIVITY,
        filters.account_id,
        query=lambda _: ActivityQuery(),
        find=find,
        freshness=views.freshness,
        is_place=lambda place: len(place) == _POSITION,
        missing=profile_not_found,
    )


_POSITION = 8
"""Bytes: what happened is listed by its position in the log."""
