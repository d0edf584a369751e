"""`GET /`: the page for operators, and what it is made of."""

from typing import Any

from litestar import Request, Response, get

from projector.api.page.document import asset, page, style
from projector.monitoring.status_history import StatusHistory
from shared.http.containers import Services
from shared.http.pages.answers import ASSET_HEADERS, PAGE_HEADERS
from shared.http.pages.csrf_check import require_local_host
from shared.http.pages.documentation import linked
from shared.http.pages.sign_in import SignIn
from shared.http.pages.sign_in_answers import SignInPage
from shared.http.problems import Rejection
from shared.http.requests import root_of
from shared.problems import Problem

FIRST_LOOK_SECONDS = 10.0
"""For the first snapshot: with both servers away it takes three."""

NOT_SEEN = Problem(
    "nothing-seen", 503, "The projector has not seen anything yet", "It is starting or stopping; try again."
)
PROBLEMS = (NOT_SEEN,)

SIGN_IN = SignIn(
    SignInPage("This page is for operators.", "muster token --link", "ops/page.css"),
    cookie="muster_session",
    has_page=lambda scope: scope["path"] == "/",
)


@get("/", guards=[require_local_host])
async def ops_page(request: Request[Any, Any, Any], services: Services) -> Response[bytes]:
    snapshot = await services.get(StatusHistory).after(None, patience=FIRST_LOOK_SECONDS)
    if snapshot is None:
        raise Rejection(NOT_SEEN, "There is nothing to show", headers={"Retry-After": "1"})
    return Response(linked(page(snapshot), root_of(request.scope)), media_type="text/html", headers=PAGE_HEADERS)


@get("/ops/page.css")
async def page_css() -> Response[bytes]:
    return Response(style(), media_type="text/css", headers=ASSET_HEADERS)


@get("/ops/page.js")
async def page_js() -> Response[bytes]:
    return Response(asset("page.js"), media_type="text/javascript", headers=ASSET_HEADERS)


ASSETS = ("/ops/page.css", "/ops/page.js")
HANDLERS = (ops_page, page_css, page_js)
