"""What all orders of operators have: a body in JSON, and a problem for whatever keeps them from being carried out."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Any, TypeVar

from litestar import Response
from litestar.handlers import HTTPRouteHandler
from msgspec import Meta

from projector.parked.events import Busy, NotParked, UnknownProjection, WaitsNotFirst
from projector.store.errors import Superseded
from projector.store.transitions import RebuildUnderWay, Refused
from shared.errors import Unavailable, Unsound
from shared.event_log import EventLogUnsound
from shared.http.health import json
from shared.http.openapi.document import Operation, OperationTag, Parameter
from shared.http.pages import csrf_check
from shared.http.parsing.bodies import body_of, require_media_type
from shared.http.problems import TOO_SLOW, UNSUPPORTED_MEDIA_TYPE, Rejection
from shared.http.requests import AnyRequest
from shared.problems import INVALID, NOT_JSON, TOO_LARGE, Problem

T = TypeVar("T")

PROJECTION_NOT_FOUND = Problem(
    "projection-not-found", 404, "There is no such projection", "GET /status names every projection."
)
REBUILD_UNDER_WAY = Problem(
    "rebuild-under-way",
    409,
    "A rebuild is under way",
    "The detail says who is at it, and since when. Wait until it has ended, see GET /status, or abort it.",
)
NOT_PARKED = Problem(
    "not-parked",
    404,
    "Nothing is parked for this document",
    "`GET /parked` lists what is. It may have been tried again by itself, by a release that can fold it.",
)
WAITS_NOT_FIRST = Problem(
    "waits-not-first",
    409,
    "Another event waits first",
    "The event was skipped or folded meanwhile. The detail says which one waits now; `GET /parked` lists all.",
)
REFUSED = Problem("refused", 409, "That is not possible now", "The detail says why; GET /status lists the generations.")
UNAVAILABLE = Problem(
    "storage-unavailable", 503, "A server is away", "Nothing was changed. See `muster doctor`, and try again."
)
PROJECTION = Annotated[str, Meta(examples=["profiles"])]
PROBLEMS = (PROJECTION_NOT_FOUND, REBUILD_UNDER_WAY, REFUSED, UNAVAILABLE, NOT_PARKED, WAITS_NOT_FIRST)


@contextmanager
def as_problems() -> Iterator[None]:
    """Say as a problem why nothing was done."""
    try:
        yield
    except (Unavailable, EventLogUnsound) as error:
        raise Rejection(UNAVAILABLE, str(error), headers={"Retry-After": "1"}) from error
    except UnknownProjection as error:
        raise Rejection(PROJECTION_NOT_FOUND, str(error)) from error
    except NotParked as error:
        raise Rejection(NOT_PARKED, str(error)) from error
    except WaitsNotFirst as error:
        raise Rejection(WAITS_NOT_FIRST, str(error)) from error
    except RebuildUnderWay as error:
        raise Rejection(REBUILD_UNDER_WAY, str(error)) from error
    except Superseded as error:
        raise Rejection(REFUSED, f"another change was faster ({error}): see GET /status") from error
    except (Refused, Busy, Unsound) as error:
        raise Rejection(REFUSED, str(error)) from error


async def order_in(request: AnyRequest, decode: Callable[[bytes], T]) -> T:
    """Read the body, which must be JSON."""
    require_media_type(request.scope, "application/json")
    return decode(await body_of(request))


def answered(content: object) -> Response[bytes]:
    """Answer with what is so now, and may be otherwise in a moment."""
    return json(content, headers={"Cache-Control": "no-store"})


_TAGS = {
    "status": OperationTag("status", "How far each projection is."),
    "projections": OperationTag("projections", "Rebuild a projection, and switch between its generations."),
    "deliveries": OperationTag("deliveries", "What `muster react` was to deliver and has given up."),
    "events": OperationTag("events", "The event log, and what the projections have made of it."),
    "parked": OperationTag("parked", "Events that could not be folded, and the documents that wait for them."),
}
"""By the first word of a path."""


def operation(
    handler: HTTPRouteHandler,
    summary: str,
    answer: Any,
    *,
    description: str = "",
    body: type | None = None,
    media_type: str = "application/json",
    parameters: Sequence[Parameter] = (),
    problems: Sequence[Problem] = (),
) -> Operation:
    """Describe what a handler answers, by its name; where it takes a body, the problems of bodies too."""
    [path], [method] = handler.paths, handler.http_methods
    path = path.replace(":str", "")
    of_body = (NOT_JSON, TOO_SLOW, TOO_LARGE, UNSUPPORTED_MEDIA_TYPE, INVALID, *csrf_check.PROBLEMS) if body else ()
    return Operation(
        name=handler.fn.__name__,
        tag=_TAGS[path.split("/")[1]],
        method=method,
        path=path,
        summary=summary,
        description=description,
        body=body,
        answer=answer,
        answer_media_type=media_type,
        answer_headers={"Request-Id": "The id of the request."},
        parameters=parameters,
        problems=(*problems, *of_body),
    )
