"""`GET /groups…`: groups, and who belongs to them."""

import msgspec

from read_side.http.documents import DocumentRoute
from read_side.http.endpoints import ACCOUNT, GROUP
from read_side.http.lists import ListRoute, NextCursor
from read_side.http.parameters.filters import BY_WORD, ROLE, Sort, search_in, sort_by
from read_side.http.problems import (
    GROUP_NOT_FOUND,
    MEMBER_NOT_FOUND,
    QUERY_TOO_BROAD,
    group_not_found,
    member_not_found,
)
from read_side.http.resource import Resource
from read_side.views import GroupQuery, GroupViews, Match, MemberMatch, MemberQuery
from shared.http.parsing.parameters import Parameters
from shared.http.problems import Rejection
from shared.read_model.ordering import GROUP_ORDERS
from shared.read_model.records import GroupRecord, MemberCard

SEARCH = search_in("slug or name")
SORT = sort_by(GROUP_ORDERS, "By what: name if nothing is looked for, else by the word that matches and then by name")


class GroupPage(msgspec.Struct, frozen=True):
    """Groups in order; `next_cursor` is null on the last page."""

    items: tuple[GroupRecord, ...]
    next_cursor: NextCursor | None


class MemberPage(msgspec.Struct, frozen=True):
    """Members in the order in which they joined; `next_cursor` is null on the last page."""

    items: tuple[MemberCard, ...]
    next_cursor: NextCursor | None


def group_query(parameters: Parameters) -> GroupQuery:
    words = SEARCH.of(parameters, ())
    sort = SORT.of(parameters, BY_WORD if words else Sort("name"))
    return GroupQuery(words=words, order=sort.order, descending=sort.descending)


def member_query(parameters: Parameters) -> MemberQuery:
    return MemberQuery(role=ROLE.of(parameters, None))


def _missing_member(match: MemberMatch) -> Rejection:
    return (member_not_found if match.group_exists else group_not_found)(match.position)


MEMBERS = ListRoute[GroupViews, MemberQuery](
    name="list_group_members",
    path="/groups/{group}/members",
    summary="List a group's members",
    answer=MemberPage,
    keys=(GROUP,),
    parameters=(ROLE.parameter,),
    problems=(GROUP_NOT_FOUND,),
    query=member_query,
    find=lambda views, _: views.members,
    missing=group_not_found,
)

GROUPS = Resource(
    name="groups",
    port=GroupViews,
    routes=(
        ListRoute[GroupViews, GroupQuery](
            name="list_groups",
            path="/groups",
            summary="List and search groups",
            answer=GroupPage,
            parameters=(SEARCH.parameter, SORT.parameter),
            problems=(QUERY_TOO_BROAD,),
            query=group_query,
            find=lambda views, _: views.list,
            missing=group_not_found,
        ),
        DocumentRoute[GroupViews, Match](
            name="get_group",
            path="/groups/{group}",
            summary="Get the group with an id or a slug",
            answer=GroupRecord,
            keys=(GROUP,),
            problems=(GROUP_NOT_FOUND,),
            find=lambda views, _: views.get,
            missing=lambda match: group_not_found(match.position),
        ),
        MEMBERS,
        DocumentRoute[GroupViews, MemberMatch](
            name="get_group_member",
            path="/groups/{group}/members/{account_id}",
            summary="Get one member of a group",
            answer=MemberCard,
            keys=(GROUP, ACCOUNT),
            problems=(GROUP_NOT_FOUND, MEMBER_NOT_FOUND),
            find=lambda views, _: views.member,
            missing=_missing_member,
        ),
    ),
    probe="/groups?limit=1",
)
