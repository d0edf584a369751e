"""`/deliveries`: what was given up, and trying it again."""

from typing import Annotated
from uuid import UUID

import msgspec
from litestar import Response, get, post
from litestar.params import FromPath

from projector.api import orders
from projector.monitoring.deliveries import DeliveriesReport, DeliveryRetried, GivenUpDeliveries
from shared.clock import Clock
from shared.decoding.objects import decoder
from shared.http.containers import Services
from shared.http.openapi.document import Parameter
from shared.http.pages.csrf_check import GUARDS
from shared.http.problems import Rejection
from shared.http.requests import AnyRequest
from shared.problems import Problem

NOT_GIVEN_UP = Problem(
    "delivery-not-given-up",
    404,
    "No delivery with this id was given up",
    "`GET /deliveries` lists those that were. It may have been retried, or forgotten with a person who was erased.",
)
PROBLEMS = (NOT_GIVEN_UP,)


class RetryDelivery(msgspec.Struct, forbid_unknown_fields=True):
    """Retry: nothing else can be given."""


_decode = decoder(RetryDelivery)


@get("/deliveries")
async def list_deliveries(services: Services) -> Response[bytes]:
    with orders.as_problems():
        return orders.answered(await services.get_abstract(GivenUpDeliveries).read())


@post("/deliveries/{id:str}/retry", status_code=200, guards=GUARDS)
async def retry_delivery(id: FromPath[str], request: AnyRequest, services: Services) -> Response[bytes]:
    await orders.order_in(request, _decode)
    delivery, given_up = _id_in(id), services.get_abstract(GivenUpDeliveries)
    with orders.as_problems():
        is_retried = await given_up.retry(delivery, now=services.get_abstract(Clock).now())
    if not is_retried:
        raise _not_given_up(id)
    return orders.answered(DeliveryRetried(id=delivery, retried=True))


def _id_in(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise _not_given_up(text) from None


def _not_given_up(id: str) -> Rejection:
    return Rejection(NOT_GIVEN_UP, f"No delivery {id!r} was given up")


HANDLERS = (list_deliveries, retry_delivery)

_Id = Annotated[str, msgspec.Meta(extra_json_schema={"format": "uuid"})]
_ID = Parameter(name="id", place="path", type=_Id, text="Its id.")

OPERATIONS = (
    orders.operation(
        list_deliveries,
        "List the deliveries that were given up",
        DeliveriesReport,
        description="The oldest 50 of them, how many there are, and how webhooks do. `muster deliveries list` has what "
        "waits, too; `muster webhooks list` has where they lead.",
        problems=(orders.REFUSED, orders.UNAVAILABLE),
    ),
    orders.operation(
        retry_delivery,
        "Try a delivery again that was given up",
        DeliveryRetried,
        description="`muster react` tries it within seconds, as if it never had been.",
        body=RetryDelivery,
        parameters=(_ID,),
        problems=(NOT_GIVEN_UP, orders.REFUSED, orders.UNAVAILABLE),
    ),
)
