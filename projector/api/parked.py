"""`/parked`: list, retry and skip parked events."""

from typing import Annotated

import msgspec
from litestar import Response, get, post
from litestar.params import FromPath

from projector.api import orders
from projector.parked.answers import ParkedReply, ParkedReport
from projector.parked.events import ParkedEvents
from shared.decoding.objects import decoder
from shared.http.containers import Services
from shared.http.openapi.document import Parameter
from shared.http.pages.csrf_check import GUARDS
from shared.http.problems import Rejection
from shared.http.requests import AnyRequest
from shared.problems import INVALID, FieldError


class Retry(msgspec.Struct, forbid_unknown_fields=True):
    """Retry: nothing else can be given."""


class SkipRequest(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """
    Why an event shall have no effect, and who decided so: both are kept.

    :param position: of the event that is meant: nothing is skipped if another one waits first by then.
    """

    reason: Annotated[str, msgspec.Meta(min_length=1, max_length=1_000)]
    by: Annotated[str, msgspec.Meta(min_length=1, max_length=200)] = "unknown"
    position: Annotated[int, msgspec.Meta(ge=1)] | None = None


_decode_retry, _decode_skip = decoder(Retry), decoder(SkipRequest)


@get("/parked")
async def list_parked(services: Services) -> Response[bytes]:
    with orders.as_problems():
        return orders.answered(await services.get(ParkedEvents).read())


@get("/parked/{projection:str}/{id:str}")
async def get_parked_document(projection: FromPath[str], id: FromPath[str], services: Services) -> Response[bytes]:
    with orders.as_problems():
        return orders.answered(await services.get(ParkedEvents).find(projection, id))


@post("/parked/{projection:str}/{id:str}/retry", status_code=200, guards=GUARDS)
async def retry_parked_document(
    projection: FromPath[str], id: FromPath[str], request: AnyRequest, services: Services
) -> Response[bytes]:
    await orders.order_in(request, _decode_retry)
    with orders.as_problems():
        return orders.answered(await services.get(ParkedEvents).retry(projection, id))


@post("/parked/{projection:str}/{id:str}/skip", status_code=200, guards=GUARDS)
async def skip_parked_event(
    projection: FromPath[str], id: FromPath[str], request: AnyRequest, services: Services
) -> Response[bytes]:
    wanted = await orders.order_in(request, _decode_skip)
    if not wanted.reason.strip():
        raise Rejection(INVALID, "Not valid: /reason", errors=[FieldError("/reason", "must say why")])
    with orders.as_problems():
        return orders.answered(await services.get(ParkedEvents).skip(projection, id, **msgspec.structs.asdict(wanted)))


HANDLERS = (list_parked, get_parked_document, retry_parked_document, skip_parked_event)

_PATH = (
    Parameter(
        name="projection", place="path", type=orders.PROJECTION, text="Its name, or that of a part, such as profiles.3."
    ),
    Parameter(name="id", place="path", type=str, text="The document's, mostly that of an account."),
)
_PROBLEMS = (orders.PROJECTION_NOT_FOUND, orders.NOT_PARKED, orders.REFUSED, orders.UNAVAILABLE)

OPERATIONS = (
    orders.operation(
        list_parked,
        "List what is parked and what was skipped",
        ParkedReport,
        description="A parked document is behind: the read API serves its last good state, with `stale_since`.",
        problems=(orders.REFUSED, orders.UNAVAILABLE),
    ),
    orders.operation(
        get_parked_document,
        "Get what is parked, or was skipped, for a document",
        ParkedReport,
        parameters=_PATH,
        problems=_PROBLEMS,
    ),
    orders.operation(
        retry_parked_document,
        "Try again what keeps a document waiting",
        ParkedReply,
        description="Answers once a projector has tried, or after some seconds with `settled` false.",
        body=Retry,
        parameters=_PATH,
        problems=_PROBLEMS,
    ),
    orders.operation(
        skip_parked_event,
        "Drop the first event that waits for a document",
        ParkedReply,
        description="It has no effect on any document then; the reason is kept. What waits behind it is tried. With"
        " `position`, it is that event or none: sent twice, it drops one.",
        body=SkipRequest,
        parameters=_PATH,
        problems=(*_PROBLEMS, orders.WAITS_NOT_FIRST),
    ),
)
