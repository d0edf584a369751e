"""`/order`: a page for each button, for browsers without a script, which says what will happen and takes the order."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from http import HTTPStatus
from time import monotonic
from typing import Any
from urllib.parse import urlencode

import msgspec
from litestar import Response, get, post

from projector.api.orders import REFUSED, UNAVAILABLE
from projector.api.page.answers import on_refusal
from projector.api.page.buttons import Button, Field, Said, button_of
from projector.api.page.document import PAGES, Ordered
from projector.monitoring.status_history import StatusHistory, StatusSnapshot
from shared.clock import Clock
from shared.http.containers import Services
from shared.http.inner_requests import ask
from shared.http.pages.csrf_check import FORM_GUARDS, require_local_host
from shared.http.pages.sign_in_answers import lead
from shared.http.parsing.forms import Form, form_of
from shared.http.problems import ProblemDetails, Rejection, details_of, headers_of
from shared.http.requests import AnyRequest
from shared.problems import INVALID, Problem

FIRST_LOOK_SECONDS = 10.0
"""For the first snapshot: with both servers away it takes three."""

NEWS_SECONDS = 60
"""For which a page says what came of an order: its address stays, and may be loaded again hours later."""

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

_FIELDS: Sequence[Field] = ("hold", "reason", "by")
_is_number = re.compile(r"[0-9]{1,12}", re.ASCII).fullmatch
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


async def seen_now(history: StatusHistory) -> StatusSnapshot:
    """Return what is seen from now on; what was seen before, if that takes too long."""
    return await history.begun_after(monotonic(), patience=FIRST_LOOK_SECONDS) or await seen(history)


def ordered_in(request: AnyRequest, *, now: datetime) -> Ordered | None:
    """Return what came of the order that has led here a moment ago, in words of ours."""
    sent = request.query_params
    action, outcome = sent.get("action"), OUTCOMES.get(sent.get("outcome", ""))
    is_news = _is_number(at := sent.get("at", "")) and abs(now.timestamp() - int(at)) < NEWS_SECONDS
    is_ours = is_news and action in ACTIONS and outcome
    return Ordered(sent.get("place", ""), f"{action}: {outcome}") if is_ours else None


@get("/order", guards=[require_local_host], exception_handlers=_ON_REFUSAL)
async def order_page(request: AnyRequest, services: Services) -> Response[bytes]:
    """Ask about an order; one who has had to sign in to send it is led to the dashboard."""
    if not (id_ := request.query_params.get("button")):
        return lead(request)
    button = button_in(await seen(services.get(StatusHistory)), id_)
    return PAGES.answer(request, "order.html", button=button, typed=Form(()), problem=None)


@post("/order", status_code=303, guards=FORM_GUARDS, exception_handlers=_ON_REFUSAL)
async def order(request: AnyRequest, services: Services) -> Response[bytes]:
    """Send the order as page.js does, to the address that the button has."""
    form = await form_of(request)
    history, id_ = services.get(StatusHistory), form.one("button")
    try:
        button = button_in(await seen(history), id_)
    except Rejection as rejection:
        if rejection.problem is REFUSED:
            raise
        return _asked_again(request, _unseen(id_, form), form, details_of(rejection), headers_of(rejection))
    headers = {"Content-Type": "application/json"}
    body = msgspec.json.encode(_said(button, form))
    answer = await ask(request.app, request.scope, button.path, method="POST", headers=headers, body=body)
    if answer.status == HTTPStatus.OK:
        at = services.get_abstract(Clock).now()
        return _to(request, button, msgspec.json.decode(answer.body, type=_Reply).outcome, at=at)
    problem = msgspec.json.decode(answer.body, type=ProblemDetails)
    if problem.status == HTTPStatus.CONFLICT:
        button = button_of(await seen_now(history), id_) or button
    wait = {name.decode(): value.decode() for name, value in answer.headers if name == b"retry-after"}
    return _asked_again(request, button, form, problem, wait)


def button_in(snapshot: StatusSnapshot, id: str) -> Button:
    """:raises Rejection: the page has no such button now, or that cannot be found out."""
    if button := button_of(snapshot, id):
        return button
    reports = {"parked": snapshot.parked, "deliveries": snapshot.deliveries}
    if snapshot.status.error or reports.get(id.partition("-")[0], snapshot) is None:
        why = snapshot.status.error or "it did not answer in time"
        raise Rejection(
            UNAVAILABLE, f"What can be ordered cannot be found out now: {why}", headers={"Retry-After": "1"}
        )
    raise Rejection(REFUSED, "The state has changed: there is no such button on the dashboard now")


def _unseen(id: str, form: Form) -> Button:
    """A button that cannot be found out now, with what was asked for when it was seen."""
    return Button(
        id=id,
        place="",
        path="",
        action="Send",
        what="the order again",
        consequence="What it would do cannot be found out now.",
        fields=[each for each in _FIELDS if each in form],
        force="As you have confirmed" if "force" in form else "",
        said=_shown_then(form),
    )


def _asked_again(
    request: AnyRequest, button: Button, form: Form, problem: ProblemDetails, headers: Mapping[str, str]
) -> Response[bytes]:
    about: Any = {"status_code": problem.status, "headers": headers}
    return PAGES.answer(request, "order.html", button=button, typed=form, problem=problem, **about)


def _shown_then(form: Form) -> Mapping[str, Said]:
    try:
        return msgspec.json.decode(form.one("said"), type=dict[str, str | int | list[str]])
    except msgspec.DecodeError:
        return {}


def _said(button: Button, form: Form) -> Mapping[str, Said | bool]:
    """
    Return what is ordered: what was asked for, and what the page of the order showed, even if that is not so any more.

    :raises Rejection: the form does not say what it showed.
    """
    known = {name: value for name, value in _shown_then(form).items() if name in button.said}
    if known.keys() != button.said.keys():
        raise Rejection(INVALID, "The form does not say what its page has shown")
    asked: dict[str, str | bool] = {
        each: each in form if each in {"hold", "force"} else form.one(each).strip() for each in button.asked_for
    }
    return {**known, **asked, **({"by": asked["by"] or NAMELESS} if "by" in asked else {})}


def _to(request: AnyRequest, button: Button, outcome: str, *, at: datetime) -> Response[bytes]:
    query = urlencode({"place": button.place, "action": button.action, "outcome": outcome, "at": int(at.timestamp())})
    return lead(request, f"?{query}#{button.place}")


HANDLERS = (order_page, order)
