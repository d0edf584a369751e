"""`GET /profiles…`: people by their keys and in lists."""

from functools import partial

import msgspec

from read_side.http.documents import DocumentRoute
from read_side.http.endpoints import ACCOUNT, EMAIL, EXTERNAL_ID, HANDLE
from read_side.http.lists import ListRoute, NextCursor
from read_side.http.parameters.filters import BY_WORD, GROUP, MOST_TAGS, STATUS, TAG, Sort, search_in, sort_by
from read_side.http.problems import PROFILE_NOT_FOUND, QUERY_TOO_BROAD, profile_not_found
from read_side.http.resource import Resource
from read_side.http.resources.batch import BATCH_GET
from read_side.http.resources.directory import DIRECTORY
from read_side.http.resources.export import EXPORT
from read_side.views import Match, ProfileQuery, ProfileViews
from shared.http.parsing.parameters import Parameters
from shared.http.problems import Rejection
from shared.read_model.ordering import PROFILE_ORDERS
from shared.read_model.records import ProfileRecord, PublicProfileRecord

SEARCH = search_in("handle, names, title or tags")
SORT = sort_by(
    PROFILE_ORDERS,
    "By what: display_name if nothing is looked for, else by the word that matches and then by display_name. What is "
    "looked for can be sorted in another way if at most 10,000 match",
)


class ProfilePage(msgspec.Struct, frozen=True):
    """People in order; `next_cursor` is null on the last page."""

    items: tuple[ProfileRecord, ...]
    next_cursor: NextCursor | None


def profile_query(parameters: Parameters) -> ProfileQuery:
    words = SEARCH.of(parameters, ())
    sort = SORT.of(parameters, BY_WORD if words else Sort("display_name"))
    return ProfileQuery(
        statuses=STATUS.of(parameters, ("active",)),
        group=GROUP.of(parameters, None),
        tags=parameters.many(TAG.name, TAG.parse, most=MOST_TAGS),
        words=words,
        order=sort.order,
        descending=sort.descending,
    )


def _missing(match: Match) -> Rejection:
    return profile_not_found(match.position)


_by_key = partial(
    DocumentRoute[ProfileViews, Match],
    answer=ProfileRecord,
    public=PublicProfileRecord,
    problems=(PROFILE_NOT_FOUND,),
    missing=_missing,
)

PROFILES = Resource(
    name="profiles",
    port=ProfileViews,
    routes=(
        _by_key(
            name="get_profile",
            path="/profiles/{id}",
            summary="Get the profile with an id",
            keys=(ACCOUNT,),
            find=lambda views, variant: partial(views.by_id, variant=variant),
        ),
        _by_key(
            name="get_profile_by_handle",
            path="/profiles/by-handle/{handle}",
            summary="Get the profile with a handle, in whatever case",
            keys=(HANDLE,),
            find=lambda views, variant: partial(views.by_handle, variant=variant),
        ),
        _by_key(
            name="get_profile_by_email",
            path="/profiles/by-email/{email}",
            summary="Get the profile with an e-mail address, in whatever case",
            keys=(EMAIL,),
            is_private=True,
            find=lambda views, variant: partial(views.by_email, variant=variant),
        ),
        _by_key(
            name="get_profile_by_external_id",
            path="/profiles/by-external-id/{external_id}",
            summary="Get the profile with an external id",
            keys=(EXTERNAL_ID,),
            is_private=True,
            find=lambda views, variant: partial(views.by_external_id, variant=variant),
        ),
        ListRoute[ProfileViews, ProfileQuery](
            name="list_profiles",
            path="/profiles",
            summary="List and search people",
            answer=ProfilePage,
            public=PublicProfileRecord,
            parameters=tuple(each.parameter for each in (STATUS, GROUP, TAG, SEARCH, SORT)),
            problems=(QUERY_TOO_BROAD,),
            query=profile_query,
            find=lambda views, variant: partial(views.list, variant=variant),
            missing=profile_not_found,
        ),
        EXPORT,
        BATCH_GET,
    ),
    streams=(DIRECTORY,),
    probe="/profiles?limit=1",
)
