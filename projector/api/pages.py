"""`GET /`: the dashboard of operators, and what their pages are made of."""

from litestar import Response, get
from litestar.types import HTTPScope

from projector.api import order_pages
from projector.api.order_pages import ordered_in, seen, seen_now
from projector.api.page.document import PAGES, context_of
from projector.monitoring.status_history import StatusHistory
from shared.clock import Clock
from shared.http.containers import Services
from shared.http.pages.csrf_check import require_local_host
from shared.http.pages.sign_in import SignIn
from shared.http.pages.sign_in_answers import SignInPage
from shared.http.parsing.negotiation import prefers_html
from shared.http.requests import AnyRequest


def _has_page(scope: HTTPScope) -> bool:
    path = scope["path"]
    return path in {"/", "/order"} or (path.startswith("/events") and prefers_html(scope))


PROBLEMS = order_pages.PROBLEMS

SIGN_IN = SignIn(
    SignInPage("This page is for operators.", "muster token --link", PAGES.stylesheet),
    cookie="muster_session",
    has_page=_has_page,
)


@get("/", guards=[require_local_host])
async def ops_page(request: AnyRequest, services: Services) -> Response[bytes]:
    history, ordered = services.get(StatusHistory), ordered_in(request, now=services.get_abstract(Clock).now())
    snapshot = await (seen_now(history) if ordered else seen(history))
    return PAGES.answer(request, "page.html", **context_of(snapshot, ordered=ordered))


HANDLERS = (ops_page, *order_pages.HANDLERS, *PAGES.handlers)
