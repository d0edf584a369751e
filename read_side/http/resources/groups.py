"""`GET /groups…`: groups, and who belongs to them."""

from read_side.http import filters
from read_side.http.documents import DocumentRoute
from read_side.http.lists import ListRoute, ends_in_id
from read_side.http.problems import group_not_found, member_not_found
from read_side.http.queries import group_query, member_query
from read_side.http.router import Destination, Route, Router
from read_side.views import GroupViews, Match, MemberMatch
from shared.http.problems import Rejection
from shared.text import unique_slug

ALL = "/groups"
ONE = "/groups/{group}"
MEMBERS = "/groups/{group}/members"
MEMBER = "/groups/{group}/members/{account_id}"


def group_routes(views: GroupViews) -> Router:
    """Make the application mounted at `/groups`."""
    one, member = _group(views), _member(views)
    all_groups, members = _list(views), _members(views)

    def find(path: list[bytes]) -> Destination | None:
        match path:
            case [b"", b"groups"]:
                return all_groups, ()
            case [b"", b"groups", group] if group:
                return one, (group,)
            case [b"", b"groups", group, b"members"] if group:
                return members, (group,)
            case [b"", b"groups", group, b"members", account] if group and account:
                return member, (group, account)
        return None

    return Router(find)


def _group(views: GroupViews) -> Route:
    def missing(answer: Match) -> Rejection:
        return group_not_found(answer.position)

    return DocumentRoute(ONE, unique_slug, find=views.get, freshness=views.freshness, missing=missing)


def _member(views: GroupViews) -> Route:
    def missing(answer: MemberMatch) -> Rejection:
        return (member_not_found if answer.group_exists else group_not_found)(answer.position)

    return DocumentRoute(
        MEMBER, unique_slug, filters.account_id, find=views.member, freshness=views.freshness, missing=missing
    )


def _list(views: GroupViews) -> Route:
    return ListRoute(
        ALL,
        query=group_query,
        find=views.list,
        freshness=views.freshness,
        is_place=ends_in_id,
        missing=group_not_found,
    )


def _members(views: GroupViews) -> Route:
    return ListRoute(
        MEMBERS,
        unique_slug,
        query=member_query,
        find=views.members,
        freshness=views.freshness,
        is_place=ends_in_id,
        missing=group_not_found,
    )
