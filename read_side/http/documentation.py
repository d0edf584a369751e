"""The read API as its OpenAPI document describes it."""

from collections.abc import Sequence
from importlib.metadata import version
from typing import Any
from uuid import UUID

import msgspec

from read_side.http import problems as told
from read_side.http.documented_parameters import CONDITIONS, OF_ACTIVITY, OF_GROUPS, OF_MEMBERS, OF_PROFILES, key
from read_side.http.resources import groups, profiles
from read_side.http.resources.batch import PATH as BATCH_GET
from read_side.http.resources.batch import BatchGet, FoundAndMissing, PublicFoundAndMissing
from read_side.http.resources.export import EXPORT, Export
from read_side.http.resources.stats import STATS
from shared.auth.principal import PRIVATE, READ
from shared.http.openapi import Operation, Parameter, openapi
from shared.http.problems import NOT_ACCEPTABLE, NOT_JSON, TOO_LARGE, UNSUPPORTED_MEDIA_TYPE
from shared.problems import INVALID, Problem
from shared.read_model.records import (
    ActivityRecord,
    GroupRecord,
    MemberCard,
    ProfileRecord,
    PublicProfileRecord,
    StatsRecord,
)

_ANSWER_HEADERS = {
    "Muster-Position": "How much of the event log the answer reflects.",
    "ETag": "A hash of the body: one record has one, whichever look-up answers.",
    "Cache-Control": "`private, no-cache`: keep it, but ask every time whether it has changed.",
    "Request-Id": "The id of the request.",
}
_PAGE_HEADERS = {**_ANSWER_HEADERS, "Link": 'The next page, as `rel="next"` (RFC 8288), if there is one.'}
_NOT_MODIFIED = {304: "You have this already"}
_ALWAYS = (NOT_ACCEPTABLE, INVALID, *told.UNREADABLE)


class ProfilePage(msgspec.Struct, frozen=True):
    """People in order; `next_cursor` is null on the last page."""

    items: tuple[ProfileRecord, ...]
    next_cursor: str | None


class PublicProfilePage(msgspec.Struct, frozen=True):
    """The same for those who may see only what everybody may."""

    items: tuple[PublicProfileRecord, ...]
    next_cursor: str | None


class GroupPage(msgspec.Struct, frozen=True):
    """Groups in order; `next_cursor` is null on the last page."""

    items: tuple[GroupRecord, ...]
    next_cursor: str | None


class MemberPage(msgspec.Struct, frozen=True):
    """Members in the order in which they joined; `next_cursor` is null on the last page."""

    items: tuple[MemberCard, ...]
    next_cursor: str | None


class ActivityPage(msgspec.Struct, frozen=True):
    """What happened, newest first; `next_cursor` is null on the last page."""

    items: tuple[ActivityRecord, ...]
    next_cursor: str | None


_PUBLIC = {ProfileRecord: PublicProfileRecord, ProfilePage: PublicProfilePage}


def document() -> dict[str, Any]:
    """Describe every question that can be asked."""
    return openapi(
        title="Muster read API",
        version=version("muster"),
        description="Read people's profiles, groups and what happened as of a known position in the event log. "
        f"Without the scope `{PRIVATE}` people's e-mail addresses, external ids and attributes are left out, and "
        "nobody is looked up by them.",
        operations=[*_look_ups(), _BATCH_GET, *_lists(), _export(), *_groups(), _STATS],
        scope=READ,
    )


def _get(
    path: str,
    summary: str,
    answer: Any,
    *,
    parameters: Sequence[Parameter] = (),
    missing: Sequence[Problem] = (),
    scopes: Sequence[str] = (),
) -> Operation:
    return Operation(
        method="GET",
        path=path,
        summary=summary,
        parameters=(*parameters, *CONDITIONS),
        answer=answer,
        public_answer=_PUBLIC.get(answer),
        answer_headers=_PAGE_HEADERS if "next_cursor" in answer.__struct_fields__ else _ANSWER_HEADERS,
        other_answers=_NOT_MODIFIED,
        problems=(*missing, *_ALWAYS),
        scopes=scopes,
    )


def _look_ups() -> list[Operation]:
    return [
        _look_up(profiles.BY_ID, UUID, "Get the profile with an id"),
        _look_up(profiles.BY_HANDLE, str, "Get the profile with a handle, in whatever case"),
        _look_up(profiles.BY_EMAIL, str, "Get the profile with an e-mail address, in whatever case", (PRIVATE,)),
        _look_up(profiles.BY_EXTERNAL_ID, str, "Get the profile with an external id", (PRIVATE,)),
    ]


def _look_up(path: str, kind: Any, summary: str, scopes: Sequence[str] = ()) -> Operation:
    name = path.rpartition("{")[2].removesuffix("}")
    return _get(
        path,
        summary,
        ProfileRecord,
        parameters=(key(name, kind),),
        missing=(told.PROFILE_NOT_FOUND,),
        scopes=scopes,
    )


def _lists() -> list[Operation]:
    activity = (key("id", UUID), *OF_ACTIVITY)
    return [
        _get(
            profiles.ALL, "List and search people", ProfilePage, parameters=OF_PROFILES, missing=(told.QUERY_TOO_BROAD,)
        ),
        _get(
            profiles.ACTIVITY,
            "List what happened to an account, newest first",
            ActivityPage,
            parameters=activity,
            missing=(told.PROFILE_NOT_FOUND,),
        ),
    ]


def _export() -> Operation:
    return _get(
        EXPORT,
        "Get what the read models hold of one person; former values are in the event log alone",
        Export,
        parameters=(key("id", UUID),),
        missing=(told.PROFILE_NOT_FOUND,),
        scopes=(PRIVATE,),
    )


def _groups() -> list[Operation]:
    group, no_group, no_member = key("group", str), told.GROUP_NOT_FOUND, told.MEMBER_NOT_FOUND
    member, members = (group, key("account_id", UUID)), (group, *OF_MEMBERS)
    return [
        _get(groups.ALL, "List and search groups", GroupPage, parameters=OF_GROUPS, missing=(told.QUERY_TOO_BROAD,)),
        _get(groups.ONE, "Get the group with an id or a slug", GroupRecord, parameters=(group,), missing=(no_group,)),
        _get(groups.MEMBERS, "List a group's members", MemberPage, parameters=members, missing=(no_group,)),
        _get(
            groups.MEMBER,
            "Get one member of a group",
            MemberCard,
            parameters=member,
            missing=(no_group, no_member),
        ),
    ]


_STATS = _get(STATS, "Get the directory in numbers", StatsRecord)
_BATCH_GET = Operation(
    method="POST",
    path=BATCH_GET,
    summary="Get up to 500 profiles by any keys",
    description="Everybody who is found is there once, in the order asked for; keys that nobody has are under "
    "`missing`. It reads like a GET, If-None-Match included; it is a POST because an address cannot hold so many keys.",
    parameters=CONDITIONS,
    body=BatchGet,
    answer=FoundAndMissing,
    public_answer=PublicFoundAndMissing,
    answer_headers=_ANSWER_HEADERS,
    other_answers=_NOT_MODIFIED,
    problems=(NOT_JSON, NOT_ACCEPTABLE, TOO_LARGE, UNSUPPORTED_MEDIA_TYPE, INVALID, *told.UNREADABLE),
)
