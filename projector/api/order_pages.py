"""`/order`: a page for each button, for browsers without a script, which says what will happen and takes the order."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

import msgspec
from litestar import Response, get, post

from projector.api.orders import REFUSED
from projector.api.page.answers import AnyRequest, on_refusal, shown
from projector.api.page.buttons import Button, button_of
from projector.api.page.document import Ordered
from projector.monitoring.status_history import StatusHistory, StatusSnapshot
from shared.http.containers import Services
from shared.http.inner_requests import ask
from shared.http.pages.answers import PAGE_HEADERS
from shared.http.pages.csrf_check import FORM_GUARDS, require_local_host
from shared.http.parsing.forms import Form, form_of
from shared.http.problems import ProblemDetails, Rejection
from shared.http.requests import root_of
from shared.problems import INVALID, Problem

FIRST_LOOK_SECONDS = 10.0
"""For the first snapshot: with both servers away it takes three."""

NOT_SEEN = Problem(
    "nothing-seen", 503, "The projector has not seen anything yet", "It is starting or stopping; try again."
)
PROBLEMS = (NOT_SEEN,)
NAMELESS = "an operator on the ops page"
"""Orders, where no name was given; page.js says the same."""

ACTIONS = frozenset({"Rebuild", "Switch", "Abort", "Roll back", "Retry", "Skip"})
OUTCOMES: Mapping[str, str] = {
    "done": "done",
    "waits": "as soon as a projector feeds",
    "parked": "done, but something is parked still",
}
"""What may have come of an order; page.js says the same."""

_ON_REFUSAL = on_refusal("", "Dashboard")


class _Reply(msgspec.Struct):
    """The answer to an order, as far as a page says it."""

    settled: bool = True
    parked: tuple[Any, ...] = ()

    @property
    def outcome(self) -> str:
        if not self.settled:
            return "waits"
        return "parked" if self.parked else "done"


async def seen(history: StatusHistory) -> StatusSnapshot:
    """:raises Rejection: there is none yet."""
    snapshot = await history.after(None, patience=FIRST_LOOK_SECONDS)
    if snapshot is None:
        raise Rejection(NOT_SEEN, "There is nothing to show", headers={"Retry-After": "1"})
    return snapshot


def ordered_in(request: AnyRequest) -> Ordered | None:
    """Return what came of the order that has led here, in words of ours."""
    sent = request.query_params
    action, outcome = sent.get("action"), OUTCOMES.get(sent.get("outcome", ""))
    return Ordered(sent.get("place", ""), f"{action}: {outcome}") if action in ACTIONS and outcome else None


@get("/order", guards=[require_local_host], exception_handlers=_ON_REFUSAL)
async def order_page(request: AnyRequest, services: Services) -> Response[bytes]:
    button = await _button(services, request.query_params.get("button", ""))
    return shown(request, "order.html", button=button, typed=Form(()), problem=None)


@post("/order", status_code=303, guards=FORM_GUARDS, exception_handlers=_ON_REFUSAL)
async def order(request: AnyRequest, services: Services) -> Response[bytes]:
    """Send the order as page.js does, to the address that the button has."""
    form = await form_of(request)
    button = await _button(services, form.one("button"))
    headers = {"Content-Type": "application/json"}
    body = msgspec.json.encode(_said(button, form))
    answer = await ask(request.app, request.scope, button.path, method="POST", headers=headers, body=body)
    if answer.status != HTTPStatus.OK:
        problem = msgspec.json.decode(answer.body, type=ProblemDetails)
        return shown(request, "order.html", status=answer.status, button=button, typed=form, problem=problem)
    return _to(request, button, msgspec.json.decode(answer.body, type=_Reply).outcome)


async def _button(services: Services, id: str) -> Button:
    """:raises Rejection: the page has no such button now."""
    if button := button_of(await seen(services.get(StatusHistory)), id):
        return button
    raise Rejection(REFUSED, "The state has changed: there is no such button on the dashboard now")


def _said(button: Button, form: Form) -> Mapping[str, str | int | bool]:
    """
    Return what is ordered: what was asked for, and what the page of the order showed, even if that is not so any more.

    :raises Rejection: the form does not say what it showed.
    """
    try:
        shown_then = msgspec.json.decode(form.one("said"), type=dict[str, str | int])
        known = {each: shown_then[each] for each in button.said}
    except (msgspec.DecodeError, KeyError):
        raise Rejection(INVALID, "The form does not say what its page has shown") from None
    asked: dict[str, str | bool] = {
        each: each in form if each in {"hold", "force"} else form.one(each).strip() for each in button.asked_for
    }
    return {**known, **asked, **({"by": asked["by"] or NAMELESS} if "by" in asked else {})}


def _to(request: AnyRequest, button: Button, outcome: str) -> Response[bytes]:
    place = button.id.partition("-")[0]
    query = urlencode({"place": place, "action": button.action, "outcome": outcome})
    headers = {**PAGE_HEADERS, "Location": f"{root_of(request.scope)}?{query}#{place}"}
    return Response(b"", status_code=303, media_type="text/html", headers=headers)


HANDLERS = (order_page, order)
