"""What lists are asked, made of the parameters of a request."""

from read_side.http.filters import (
    GROUP_SORTS,
    MOST_TAGS,
    PROFILE_SORTS,
    Sort,
    group,
    role,
    search,
    sort_among,
    statuses,
    tag,
)
from read_side.http.parameters import Parameters
from read_side.views import GroupQuery, MemberQuery, ProfileQuery

_BY_WORD = Sort(order=None)
_profile_sort, _group_sort = sort_among(PROFILE_SORTS), sort_among(GROUP_SORTS)


def profile_query(asked: Parameters) -> ProfileQuery:
    words = asked.one("q", search, ())
    sort = asked.one("sort", _profile_sort, _BY_WORD if words else Sort("display_name"))
    return ProfileQuery(
        statuses=asked.one("status", statuses, ("active",)),
        group=asked.one("group", group, None),
        tags=asked.many("tag", tag, most=MOST_TAGS),
        words=words,
        order=sort.order,
        descending=sort.descending,
    )


def group_query(asked: Parameters) -> GroupQuery:
    words = asked.one("q", search, ())
    sort = asked.one("sort", _group_sort, _BY_WORD if words else Sort("name"))
    return GroupQuery(words=words, order=sort.order, descending=sort.descending)


def member_query(asked: Parameters) -> MemberQuery:
    return MemberQuery(role=asked.one("role", role, None))
