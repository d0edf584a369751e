"""`/parked`: list, retry and skip parked events."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any, TypeVar

import msgspec
from litestar import Request, Response, get, post
from litestar.params import FromPath

from projector.api import csrf_check as guard
from projector.api.csrf_check import GUARDS
from projector.api.rebuilds import PROJECTION_NOT_FOUND, REFUSED, UNAVAILABLE
from projector.processing.parked_events import (
    Busy,
    NotParked,
    ParkedEvents,
    ParkedReply,
    ParkedReport,
    UnknownProjection,
)
from shared.errors import Unavailable, Unsound
from shared.http.bodies import body_of, decoder, require_media_type
from shared.http.containers import Services
from shared.http.health import json
from shared.http.openapi import Operation, Parameter
from shared.http.problems import NOT_JSON, TOO_LARGE, UNSUPPORTED_MEDIA_TYPE, Rejection
from shared.problems import INVALID, FieldError, Problem

T = TypeVar("T")

NOT_PARKED = Problem(
    "not-parked",
    404,
    "Nothing is parked for this document",
    "`GET /parked` lists what is. It may have been tried again by itself, by a release that can fold it.",
)
PROBLEMS = (NOT_PARKED,)


class Retry(msgspec.Struct, forbid_unknown_fields=True):
    """Retry: nothing else can be given."""


class SkipRequest(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Why an event shall have no effect, and who decided so: both are kept."""

    reason: Annotated[str, msgspec.Meta(min_length=1, max_length=1_000)]
    by: Annotated[str, msgspec.Meta(min_length=1, max_length=200)] = "unknown"


_decode_retry, _decode_skip = decoder(Retry), decoder(SkipRequest)


@get("/parked")
async def parked(services: Services) -> Response[bytes]:
    with _as_problems():
        return _answer(await services.get(ParkedEvents).read())


@get("/parked/{projection:str}/{id:str}")
async def parked_document(projection: FromPath[str], id: FromPath[str], services: Services) -> Response[bytes]:
    with _as_problems():
        return _answer(await services.get(ParkedEvents).find(projection, id))


@post("/parked/{projection:str}/{id:str}/retry", status_code=200, guards=GUARDS)
async def retry(
    projection: FromPath[str], id: FromPath[str], request: Request[Any, Any, Any], services: Services
) -> Response[bytes]:
    await _body(request, _decode_retry)
    with _as_problems():
        return _answer(await services.get(ParkedEvents).retry(projection, id))


@post("/parked/{projection:str}/{id:str}/skip", status_code=200, guards=GUARDS)
async def skip(
    projection: FromPath[str], id: FromPath[str], request: Request[Any, Any, Any], services: Services
) -> Response[bytes]:
    wanted = await _body(request, _decode_skip)
    if not wanted.reason.strip():
        raise Rejection(INVALID, "Not valid: /reason", errors=[FieldError("/reason", "must say why")])
    with _as_problems():
        return _answer(await services.get(ParkedEvents).skip(projection, id, reason=wanted.reason, by=wanted.by))


HANDLERS = (parked, parked_document, retry, skip)

_ONE = "/parked/{projection}/{id}"
_PATH = (
    Parameter(name="projection", place="path", type=str, text="Its name.", required=True),
    Parameter(name="id", place="path", type=str, text="The document's, mostly that of an account.", required=True),
)
_HEADERS = {"Request-Id": "The id of the request."}
_ALWAYS = (REFUSED, UNAVAILABLE)
_BODY = (NOT_JSON, TOO_LARGE, UNSUPPORTED_MEDIA_TYPE, INVALID, *guard.PROBLEMS)

OPERATIONS = (
    Operation(
        method="GET",
        path="/parked",
        summary="List what is parked and what was skipped",
        description="A parked document is behind: the read API serves its last good state, with `stale_since`.",
        answer=ParkedReport,
        answer_headers=_HEADERS,
        problems=_ALWAYS,
    ),
    Operation(
        method="GET",
        path=_ONE,
        summary="Get what is parked, or was skipped, for a document",
        parameters=_PATH,
        answer=ParkedReport,
        answer_headers=_HEADERS,
        problems=(PROJECTION_NOT_FOUND, NOT_PARKED, *_ALWAYS),
    ),
    Operation(
        method="POST",
        path=f"{_ONE}/retry",
        summary="Try again what keeps a document waiting",
        description="Answers once a projector has tried, or after some seconds with `settled` false.",
        parameters=_PATH,
        body=Retry,
        answer=ParkedReply,
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
        answer=ParkedReply,
        answer_headers=_HEADERS,
        problems=(PROJECTION_NOT_FOUND, NOT_PARKED, *_BODY, *_ALWAYS),
    ),
)


async def _body(request: Request[Any, Any, Any], decode: Callable[[bytes], T]) -> T:
    require_media_type(request.scope, "application/json")
    return decode(await body_of(request))


@contextmanager
def _as_problems() -> Iterator[None]:
    try:
        yield
    except Unavailable as error:
        raise Rejection(UNAVAILABLE, str(error), headers={"Retry-After": "1"}) from error
    except (Busy, Unsound) as error:
        raise Rejection(REFUSED, str(error)) from error
    except UnknownProjection as error:
        raise Rejection(PROJECTION_NOT_FOUND, str(error)) from error
    except NotParked as error:
        raise Rejection(NOT_PARKED, str(error)) from error


def _answer(report: ParkedReport | ParkedReply) -> Response[bytes]:
    return json(report, headers={"Cache-Control": "no-store"})
