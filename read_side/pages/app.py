"""The read API, and the people page in front of it."""

from litestar.types import ASGIApp, HTTPScope

from read_side.http.app import Front, read_api
from read_side.pages import changing
from read_side.pages.changing import FormRoutes
from read_side.pages.documents import PAGES
from read_side.pages.routes import HANDLERS, people
from read_side.pages.viewing import ON_REFUSAL
from shared.http.containers import Register
from shared.http.pages.csrf_check import PROBLEMS
from shared.http.pages.sign_in import OPEN_PATHS, SignIn
from shared.http.pages.sign_in_answers import SignInPage
from shared.http.parsing.negotiation import prefers_html


def is_page(scope: HTTPScope) -> bool:
    """Tell whether a browser asks for a page."""
    return prefers_html(scope) and (scope["path"] == "/" or scope["path"].startswith("/people/"))


def at_root(scope: HTTPScope) -> bool:
    """Tell whether something is asked of the page at `/`, where programs find an index that is open to all."""
    return scope["path"] == "/" and (scope["method"] == "POST" or is_page(scope))


SIGNING_IN = SignIn(
    SignInPage("This is a directory of people.", "muster token --link --scope profiles:read", PAGES.stylesheet),
    cookie="muster_people",
    has_page=is_page,
    covers=at_root,
)
PEOPLE_PAGE = Front(
    answer=people,
    on_refusal=ON_REFUSAL,
    handlers=(*HANDLERS, *FormRoutes(SIGNING_IN.policy).handlers, *SIGNING_IN.handlers),
    open=OPEN_PATHS | PAGES.paths,
    pages=SIGNING_IN.policy,
    problems=(*PROBLEMS, *changing.PROBLEMS),
)


def directory(*registers: Register) -> ASGIApp:
    """The read API with the people page; see `read_api`. Browsers sign in where `Sessions` are registered."""
    return read_api(*registers, front=PEOPLE_PAGE)
