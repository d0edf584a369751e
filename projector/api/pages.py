"""`GET /`: the dashboard of operators, and what their pages are made of."""

from collections.abc import Callable
from functools import partial
from typing import Any

from litestar import Request, Response, get
from litestar.types import HTTPScope

from projector.api.page.document import STYLESHEET, asset, page, style
from projector.monitoring.status_history import StatusHistory
from shared.http.containers import Services
from shared.http.pages.answers import ASSET_HEADERS, PAGE_HEADERS
from shared.http.pages.csrf_check import require_local_host
from shared.http.pages.documentation import linked
from shared.http.pages.sign_in import SignIn
from shared.http.pages.sign_in_answers import SignInPage
from shared.http.parsing.negotiation import prefers_html
from shared.http.problems import Rejection
from shared.http.requests import root_of
from shared.problems import Problem

FIRST_LOOK_SECONDS = 10.0
"""For the first snapshot: with both servers away it takes three."""

NOT_SEEN = Problem(
    "nothing-seen", 503, "The projector has not seen anything yet", "It is starting or stopping; try again."
)
PROBLEMS = (NOT_SEEN,)


def _has_page(scope: HTTPScope) -> bool:
    return scope["path"] == "/" or (scope["path"].startswith("/events") and prefers_html(scope))


SIGN_IN = SignIn(
    SignInPage("This page is for operators.", "muster token --link", STYLESHEET),
    cookie="muster_session",
    has_page=_has_page,
)


@get("/", guards=[require_local_host])
async def ops_page(request: Request[Any, Any, Any], services: Services) -> Response[bytes]:
    snapshot = await services.get(StatusHistory).after(None, patience=FIRST_LOOK_SECONDS)
    if snapshot is None:
        raise Rejection(NOT_SEEN, "There is nothing to show", headers={"Retry-After": "1"})
    return Response(linked(page(snapshot), root_of(request.scope)), media_type="text/html", headers=PAGE_HEADERS)


def _served(name: str, media_type: str, content: Callable[[], bytes]) -> Any:
    @get(f"/ops/{name}")
    async def served() -> Response[bytes]:
        return Response(content(), media_type=media_type, headers=ASSET_HEADERS)

    return served


ASSETS = ("/ops/page.css", "/ops/page.js", "/ops/copy.js")
HANDLERS = (
    ops_page,
    _served("page.css", "text/css", style),
    *(_served(name, "text/javascript", partial(asset, name)) for name in ("page.js", "copy.js")),
)
