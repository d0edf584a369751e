"""`GET /sign-in`: a link that makes a browser an operator's, once."""

from typing import Any, NamedTuple, Self
from urllib.parse import urlsplit

from litestar import Request, Response, get
from litestar.params import FromQuery

from projector.api.page.document import sign_in_page
from projector.api.pages import PAGE_HEADERS
from shared.auth.authentication import Authentication
from shared.auth.sessions import SESSION_SECONDS, Sessions
from shared.auth.tokens import InvalidToken
from shared.errors import Unavailable
from shared.http.containers import Services
from shared.http.middleware.auth import UNVERIFIABLE, session_cookie
from shared.http.pages.documentation import linked
from shared.http.problems import Rejection
from shared.http.requests import header, root_of, wants_head_only

PATH = "/sign-in"
_NOT_GOOD = "The link is not good: it was used, or is too old."


class CookiePolicy(NamedTuple):
    """
    Whether a browser's session cookie is for https alone.

    :param by_https: it is, although a proxy that ends https asks us by http.
    """

    by_https: bool = False

    @classmethod
    def at(cls, url: str | None) -> Self:
        """:param url: where browsers find the page, as MUSTER_OPS_URL has it."""
        return cls(url is not None and urlsplit(url).scheme == "https")


@get(PATH)
async def sign_in(request: Request[Any, Any, Any], services: Services, token: FromQuery[str] = "") -> Response[bytes]:
    authentication = await services.aget_abstract(Authentication)
    if authentication.anonymous is not None:
        return _to_the_page(request, {})
    if wants_head_only(request.scope):  # mail scanners send it before people do: it must not use up a link
        return _refused(request)
    try:
        link = await authentication.sign_in(token)
        session = await (await services.aget_abstract(Sessions)).begin(link)
    except InvalidToken:
        return _refused(request)
    except Unavailable as error:
        raise Rejection(UNVERIFIABLE, str(error), headers={"Retry-After": "5"}) from error
    if session is None:
        return _refused(request)
    return _to_the_page(request, {"Set-Cookie": _cookie(request, session, services.get(CookiePolicy))})


def _to_the_page(request: Request[Any, Any, Any], headers: dict[str, str]) -> Response[bytes]:
    about = {**PAGE_HEADERS, **headers, "Location": root_of(request.scope)}
    return Response(b"", status_code=303, media_type="text/html", headers=about)


def _refused(request: Request[Any, Any, Any]) -> Response[bytes]:
    page = linked(sign_in_page(news=_NOT_GOOD), root_of(request.scope))
    headers = {**PAGE_HEADERS, "WWW-Authenticate": "Bearer"}
    return Response(page, status_code=401, media_type="text/html", headers=headers)


def _cookie(request: Request[Any, Any, Any], session: str, cookie_policy: CookiePolicy) -> str:
    name = session_cookie(header(request.scope, b"host") or "")
    is_secure = "; Secure" if cookie_policy.by_https or request.scope["scheme"] == "https" else ""
    return f"{name}={session}; Path=/; Max-Age={SESSION_SECONDS}; HttpOnly; SameSite=Strict{is_secure}"


HANDLERS = (sign_in,)
