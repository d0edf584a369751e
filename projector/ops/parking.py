"""`/parked`: what is parked, and asking for it to be tried again or skipped."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
from litestar import Request, Response, get, post
from litestar.params import FromPath

from projector.parked import (
    Asked,
    Busy,
    NotParked,
    ParkedEvents,
    UnknownProjection,
    WhatIsParked,
)
from projector.ports import CannotGoOn, ReadModelUnavailable
from shared.http.bodies import decoder, require_media_type
from shared.http.health import json
from shared.http.openapi import Operation, Parameter
from shared.http.problems import (
    INVALID,
    NOT_JSON,
    TOO_LARGE,
    UNSUPPORTED_MEDIA_TYPE,
    FieldError,
    Problem,
    Rejection,
)
from shared.http.services import Services

PROJECTION_NOT_FOUND = Problem(
    "projection-not-found", 404, "There is no such projection", "`GET /status` lists the projections."
)
NOT_PARKED = Problem(
    "not-parked",
    404,
    "Nothing is parked for this document",
    "`GET /parked` lists what is. It may have been tried again by itself, by a release that can fold it.",
)
GENERATION_STOPPED = Problem(
    "generation-stopped", 409, "The generation cannot be written", "`GET /status` says what to do; try again then."
)
GENERATION_BUSY = Problem(
    "generation-busy", 503, "The generation is being written without a pause", "Try again after Retry-After."
)
STORAGE_UNAVAILABLE = Problem("storage-unavailable", 503, "Redis is away", "Try again after Retry-After.")

PROBLEMS = (PROJECTION_NOT_FOUND, NOT_PARKED, GENERATION_STOPPED, GENERATION_BUSY, STORAGE_UNAVAILABLE)

_PROBLEM_OF: dict[type[Exception], Problem] = {
    UnknownProjection: PROJECTION_NOT_FOUND,
    NotParked: NOT_PARKED,
    Busy: GENERATION_BUSY,
    ReadModelUnavailable: STORAGE_UNAVAILABLE,
}
_AGAIN = {"Retry-After": "1"}


class Retry(msgspec.Struct, forbid_unknown_fields=True):
    """Nothing is to be said."""


class SkipRequest(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Why an event shall have no effect, and who says so: both are kept."""

    reason: str
    by: str = "unknown"


_decode_retry, _decode_skip = decoder(Retry), decoder(SkipRequest)


@get("/parked")
async def parked(services: Services) -> Response[bytes]:
    with _as_problems():
        return _answer(await services.get(ParkedEvents).read())


@get("/parked/{projection:str}/{id:str}")
async def parked_document(projection: FromPath[str], id: FromPath[str], services: Services) -> Response[bytes]:
    with _as_problems():
        return _answer(await services.get(ParkedEvents).find(projection, id))


@post("/parked/{projection:str}/{id:str}/retry", status_code=200)
async def retry(
    projection: FromPath[str], id: FromPath[str], request: Request[Any, Any, Any], services: Services
) -> Response[bytes]:
    # A form on somebody else's page cannot send JSON without being asked first (CORS).
    require_media_type(request.scope, "application/json")
    _decode_retry(await request.body())
    with _as_problems():
        return _answer(await services.get(ParkedEvents).retry(projection, id))


@post("/parked/{projection:str}/{id:str}/skip", status_code=200)
async def skip(
    projection: FromPath[str], id: FromPath[str], request: Request[Any, Any, Any], services: Services
) -> Response[bytes]:
    require_media_type(request.scope, "application/json")
    asked = _decode_skip(await request.body())
    if not asked.reason.strip():
        raise Rejection(INVALID, "Not valid: /reason", errors=[FieldError("/reason", "must say why")])
    with _as_problems():
        return _answer(await services.get(ParkedEvents).skip(projection, id, reason=asked.reason, by=asked.by))


HANDLERS = (parked, parked_document, retry, skip)

_ONE = "/parked/{projection}/{id}"
_PATH = (
    Parameter(name="projection", place="path", type=str, text="Its name.", required=True),
    Parameter(name="id", place="path", type=str, text="The document's, mostly that of an account.", required=True),
)
_HEADERS = {"Request-Id": "The id of the request."}
_ALWAYS = (GENERATION_STOPPED, GENERATION_BUSY, STORAGE_UNAVAILABLE)
_BODY = (NOT_JSON, TOO_LARGE, UNSUPPORTED_MEDIA_TYPE, INVALID)

OPERATIONS = (
    Operation(
        method="GET",
        path="/parked",
        summary="List what is parked and what was skipped",
        description="A parked document is behind: the read API serves its last good state, with `stale_since`.",
        answer=WhatIsParked,
        answer_headers=_HEADERS,
        problems=_ALWAYS,
    ),
    Operation(
        method="GET",
        path=_ONE,
        summary="Get what is parked, or was skipped, for a document",
        parameters=_PATH,
        answer=WhatIsParked,
        answer_headers=_HEADERS,
        problems=(PROJECTION_NOT_FOUND, NOT_PARKED, *_ALWAYS),
    ),
    Operation(
        method="POST",
        path=f"{_ONE}/retry",
        summary="Try again what keeps a document waiting",
        description="Answers once a projector has looked, or after some seconds with `settled` false.",
        parameters=_PATH,
        body=Retry,
        answer=Asked,
        answer_headers=_HEADERS,
        problems=(PROJECTION_NOT_FOUND, NOT_PARKED, *_BODY, *_ALWAYS),
    ),
    Operation(
        method="POST",
        path=f"{_ONE}/skip",
        summary="Drop the first event that waits for a document",
        description="It has no effect on any document then; the reason is kept. What waits behind it is tried.",
        parameters=_PATH,
        body=SkipRequest,
        answer=Asked,
        answer_headers=_HEADERS,
        problems=(PROJECTION_NOT_FOUND, NOT_PARKED, *_BODY, *_ALWAYS),
    ),
)


@contextmanager
def _as_problems() -> Iterator[None]:
    try:
        yield
    except tuple(_PROBLEM_OF) as error:
        problem = _PROBLEM_OF[type(error)]
        raise Rejection(problem, str(error), headers=_AGAIN if problem.status == 503 else None) from error  # noqa: PLR2004
    except CannotGoOn as error:
        raise Rejection(GENERATION_STOPPED, str(error)) from error


def _answer(told: WhatIsParked | Asked) -> Response[bytes]:
    return json(told, headers={"Cache-Control": "no-store"})
