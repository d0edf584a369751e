"""The read API as its OpenAPI document describes it."""

from importlib.metadata import version
from typing import Annotated, Any
from uuid import UUID

from msgspec import Meta

from read_side.http.batch import PATH as BATCH_GET
from read_side.http.batch import BatchGet, FoundAndMissing
from read_side.http.conditions import GREATEST_POSITION, MIN_POSITION, MIN_POSITION_PARAMETER
from read_side.http.problems import PROFILE_NOT_FOUND, UNREADABLE
from read_side.http.profiles import BY_EMAIL, BY_EXTERNAL_ID, BY_HANDLE, BY_ID
from shared.http.openapi import Operation, Parameter, openapi
from shared.http.problems import INVALID, NOT_ACCEPTABLE, NOT_JSON, TOO_LARGE, UNSUPPORTED_MEDIA_TYPE
from shared.records import ProfileRecord

_Position = Annotated[int, Meta(ge=0, le=GREATEST_POSITION)]
_FRESHNESS = "Wait until the answer reflects the event log up to this position; 503 if that takes too long."

_CONDITIONS = (
    Parameter(name=MIN_POSITION, place="header", type=_Position, text=_FRESHNESS),
    Parameter(name=MIN_POSITION_PARAMETER, place="query", type=_Position, text=_FRESHNESS),
    Parameter(
        name="If-None-Match",
        place="header",
        type=str,
        text="Entity tags of what you have, or `*`: if one is that of the answer, it is 304 and has no body.",
    ),
)
_ANSWER_HEADERS = {
    "Muster-Position": "How much of the event log the answer reflects.",
    "ETag": "A hash of the body: one record has one, whichever look-up answers.",
    "Cache-Control": "`private, no-cache`: keep it, but ask every time whether it has changed.",
    "Request-Id": "The id of the request.",
}
_NOT_MODIFIED = {304: "You have this already"}


def document() -> dict[str, Any]:
    """Describe every question that can be asked."""
    return openapi(
        title="Muster read API",
        version=version("muster"),
        description="Read people's profiles as of a known position in the event log.",
        operations=[*_look_ups(), _BATCH_GET],
    )


def _look_ups() -> list[Operation]:
    return [
        _look_up(BY_ID, UUID, "Get the profile with an id"),
        _look_up(BY_HANDLE, str, "Get the profile with a handle, in whatever case"),
        _look_up(BY_EMAIL, str, "Get the profile with an e-mail address, in whatever case"),
        _look_up(BY_EXTERNAL_ID, str, "Get the profile with an external id"),
    ]


def _look_up(path: str, key: Any, summary: str) -> Operation:
    name = path.rpartition("{")[2].removesuffix("}")
    return Operation(
        method="GET",
        path=path,
        summary=summary,
        parameters=(
            Parameter(name=name, place="path", type=key, text="Percent-encoded in UTF-8.", required=True),
            *_CONDITIONS,
        ),
        answer=ProfileRecord,
        answer_headers=_ANSWER_HEADERS,
        other_answers=_NOT_MODIFIED,
        problems=(PROFILE_NOT_FOUND, NOT_ACCEPTABLE, INVALID, *UNREADABLE),
    )


_BATCH_GET = Operation(
    method="POST",
    path=BATCH_GET,
    summary="Get up to 500 profiles by any keys",
    description="Everybody who is found is there once, in the order asked for; keys that nobody has are under "
    "`missing`. It reads like a GET, If-None-Match included; it is a POST because an address cannot hold so many keys.",
    parameters=_CONDITIONS,
    body=BatchGet,
    answer=FoundAndMissing,
    answer_headers=_ANSWER_HEADERS,
    other_answers=_NOT_MODIFIED,
    problems=(NOT_JSON, NOT_ACCEPTABLE, TOO_LARGE, UNSUPPORTED_MEDIA_TYPE, INVALID, *UNREADABLE),
)
