"""`/events`: the event log, page by page, and what became of an event; as a page for browsers, as JSON for programs."""

import re
from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import Response, get
from litestar.params import FromPath
from msgspec import Meta

from projector.api import orders
from projector.api.page.answers import on_refusal
from projector.api.page.document import PAGES
from projector.monitoring.event_effects import EventEffect, EventEffects
from projector.monitoring.log_pages import TYPES, LoggedEvent, LoggedEvents, LogPages, LogQuery, logged
from shared.auth.principal import PRIVATE
from shared.http.containers import Services
from shared.http.health import json
from shared.http.middleware.auth import caller
from shared.http.openapi.document import Parameter
from shared.http.pages.csrf_check import require_local_host
from shared.http.parsing.negotiation import prefers_html
from shared.http.parsing.parameters import Malformed, Parameters, whole_number
from shared.http.problems import Rejection
from shared.http.requests import AnyRequest
from shared.problems import INVALID, Problem

MOST = 200
GREATEST = 2**63 - 1
LONGEST = 255

EVENT_NOT_FOUND = Problem(
    "event-not-found",
    404,
    "There is no event at this position",
    "Transactions that were rolled back leave holes. `GET /events` lists what there is.",
)
PROBLEMS = (EVENT_NOT_FOUND,)

_BY_ACCEPT = {"Vary": "accept"}
_HEADERS = {"Cache-Control": "no-store", **_BY_ACCEPT}
_ON_REFUSAL = on_refusal("events", "All events")
_position = whole_number(0, GREATEST)
_is_number = re.compile(r"[0-9]{1,19}", re.ASCII).fullmatch


class EventReport(msgspec.Struct, frozen=True, kw_only=True):
    """An event, and what each projection has made of it."""

    event: LoggedEvent
    projections: tuple[EventEffect, ...]


@get("/events", guards=[require_local_host], exception_handlers=_ON_REFUSAL)
async def list_events(request: AnyRequest, services: Services) -> Response[bytes]:
    query = _query(request)
    with orders.as_problems():
        found = await services.get_abstract(LogPages).page(query)
    items = [logged(each, private=_sees_private(request)) for each in found.events]
    answer = LoggedEvents(items=items, next_before=found.next_before)
    if not prefers_html(request.scope):
        return json(answer, headers=_HEADERS)
    next_ = Parameters(request.scope).address_with("before", str(found.next_before)).decode()
    return PAGES.answer(request, "events.html", headers=_BY_ACCEPT, found=answer, query=query, types=TYPES, next=next_)


@get("/events/{position:str}", guards=[require_local_host], exception_handlers=_ON_REFUSAL)
async def get_event(position: FromPath[str], request: AnyRequest, services: Services) -> Response[bytes]:
    number = int(position) if _is_number(position) else GREATEST
    with orders.as_problems():
        recorded = await services.get_abstract(LogPages).event(min(number, GREATEST))
        if recorded is None:
            raise Rejection(EVENT_NOT_FOUND, f"There is no event at position {position}")
        effects = await services.get(EventEffects).of(recorded)
    answer = EventReport(event=logged(recorded, private=_sees_private(request)), projections=tuple(effects))
    if not prefers_html(request.scope):
        return json(answer, headers=_HEADERS)
    return PAGES.answer(request, "event.html", headers=_BY_ACCEPT, report=answer, may_see=_sees_private(request))


def _query(request: AnyRequest) -> LogQuery:
    """
    Read what is asked for; what a form leaves empty is not asked for.

    :raises Rejection: 422, with all that is wrong.
    """
    given = Parameters(request.scope)
    query = LogQuery(
        before=given.one("before", _before, None),
        aggregate=given.one("aggregate", _id, None),
        type=given.one("type", _text, None),
        correlation=given.one("correlation", _text, None),
        limit=given.one("limit", whole_number(1, MOST), LogQuery().limit),
    )
    given.require_valid()
    return query


def _before(text: str) -> int | None:
    return _position(text) if text else None


def _id(text: str) -> UUID | None:
    try:
        return UUID(text) if text else None
    except ValueError:
        raise Malformed("must be the id of an account, a group or a membership") from None


def _text(text: str) -> str | None:
    if len(text) > LONGEST:
        raise Malformed(f"must have {LONGEST} characters at most")
    return text or None


def _sees_private(request: AnyRequest) -> bool:
    return PRIVATE in caller(request.scope).scopes


HANDLERS = (list_events, get_event)


_Position = Annotated[int, Meta(ge=1, examples=[1042])]


def _parameter(name: str, type: Any, text: str) -> Parameter:
    return Parameter(name=name, place="query", type=type, text=text)


OPERATIONS = (
    orders.operation(
        list_events,
        "List events of the log, the newest first",
        LoggedEvents,
        description="`data` is for tokens with the scope `profiles:read.private`; others see the names of fields. By"
        " `type` or `correlation` alone, 20,000 positions are looked through at once: go on with `next_before`.",
        parameters=(
            _parameter("before", Annotated[int, Meta(ge=0)], "The position before which the page begins."),
            _parameter("aggregate", UUID, "The id of an account (with its memberships), a group or a membership."),
            _parameter("type", Annotated[str, Meta(examples=["handle-changed"])], "The type of the events."),
            _parameter("correlation", Annotated[str, Meta(max_length=LONGEST)], "The id of the request behind them."),
            _parameter("limit", Annotated[int, Meta(ge=1, le=MOST)], "How many at most; 50 unless given."),
        ),
        problems=(INVALID, orders.REFUSED, orders.UNAVAILABLE),
    ),
    orders.operation(
        get_event,
        "Get an event, and what each projection has made of it",
        EventReport,
        description="Documents are shown as they are now: the position says up to which event each reflects its own.",
        parameters=(Parameter(name="position", place="path", type=_Position, text="In the log."),),
        problems=(EVENT_NOT_FOUND, orders.REFUSED, orders.UNAVAILABLE),
    ),
)
