"""`GET /profiles…`: people by their keys and in lists, and what happened to them."""

from collections.abc import Awaitable, Callable, Mapping
from functools import partial

import msgspec

from read_side.http import filters
from read_side.http.documents import DocumentRoute
from read_side.http.lists import ListRoute, ends_in_id
from read_side.http.problems import profile_not_found
from read_side.http.queries import profile_query
from read_side.http.resources.export import EXPORT, ExportRoute
from read_side.http.router import Destination, Find, Forbidden, Route, Router
from read_side.views import ActivityViews, GroupViews, Match, Page, ProfileViews, Variant
from shared.http.problems import Rejection

BY_ID = "/profiles/{id}"
BY_HANDLE = "/profiles/by-handle/{handle}"
BY_EMAIL = "/profiles/by-email/{email}"
BY_EXTERNAL_ID = "/profiles/by-external-id/{external_id}"
ALL = "/profiles"
ACTIVITY = "/profiles/{id}/activity"


class ActivityQuery(msgspec.Struct, frozen=True):
    """How much of what happened to an account."""

    limit: int = filters.DEFAULT_LIMIT
    after: bytes | None = None


def profile_routes(views: ProfileViews, activity: ActivityViews, groups: GroupViews) -> Router:
    """Make the application mounted at `/profiles`."""
    return Router(
        _finder(views, activity, groups, "full"),
        public=_finder(views, activity, groups, "public"),
    )


def _finder(views: ProfileViews, activity: ActivityViews, groups: GroupViews, variant: Variant) -> Find:
    by_id = _look_up(BY_ID, views.by_id, views, variant, filters.account_id)
    everybody, happened = _list(views, variant), _activity(activity, variant)
    export: Route = ExportRoute(views, groups, activity) if variant == "full" else Forbidden(EXPORT)
    by_key = _by_key(views, variant)

    def find(path: list[bytes]) -> Destination | None:
        match path:
            case [b"", b"profiles", segment] if segment:
                return by_id, (segment,)
            case [b"", b"profiles", by, segment] if segment and by in by_key:
                return by_key[by], (segment,)
            case [b"", b"profiles"]:
                return everybody, ()
            case [b"", b"profiles", segment, b"activity"] if segment:
                return happened, (segment,)
            case [b"", b"profiles", segment, b"export"] if segment:
                return export, (segment,)
        return None

    return find


def _by_key(views: ProfileViews, variant: Variant) -> Mapping[bytes, Route]:
    """What only some may see nobody else may look up by: the answer would tell whose it is."""
    routes: Mapping[bytes, Route] = {
        b"by-handle": _look_up(BY_HANDLE, views.by_handle, views, variant),
        b"by-email": _look_up(BY_EMAIL, views.by_email, views, variant),
        b"by-external-id": _look_up(BY_EXTERNAL_ID, views.by_external_id, views, variant),
    }
    barred = (
        {} if variant == "full" else {b"by-email": Forbidden(BY_EMAIL), b"by-external-id": Forbidden(BY_EXTERNAL_ID)}
    )
    return {**routes, **barred}


def _look_up(
    template: str,
    find: Callable[..., Awaitable[Match]],
    views: ProfileViews,
    variant: Variant,
    parse: Callable[[str], str] = str,
) -> Route:
    def missing(answer: Match) -> Rejection:
        return profile_not_found(answer.position)

    return DocumentRoute(
        template, parse, find=partial(find, variant=variant), freshness=views.freshness, missing=missing
    )


def _list(views: ProfileViews, variant: Variant) -> Route:
    return ListRoute(
        ALL,
        query=profile_query,
        find=partial(views.list, variant=variant),
        freshness=views.freshness,
        is_place=ends_in_id,
        missing=profile_not_found,
    )


def _activity(views: ActivityViews, variant: Variant) -> Route:
    async def find(account_id: str, query: ActivityQuery) -> Page:
        return await views.of(account_id, limit=query.limit, after=query.after, variant=variant)

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
