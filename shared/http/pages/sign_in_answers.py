"""What a browser is answered that signs in or out: the page that says how, or a session and where to go."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple, Self
from urllib.parse import urlsplit

from litestar import Response
from litestar.types import HTTPScope

from shared.auth.code_flow import CodeFlow
from shared.auth.sessions import SESSION_SECONDS, Sessions
from shared.errors import Unavailable
from shared.http.containers import Services
from shared.http.middleware.auth import UNVERIFIABLE, cookie_name
from shared.http.pages.answers import FORM_HEADERS, PAGE_HEADERS
from shared.http.pages.documentation import linked
from shared.http.pages.templating import ROOT, templates_of
from shared.http.parsing.negotiation import prefers_html
from shared.http.problems import NOT_FOUND, Rejection, answer_refusal
from shared.http.requests import AnyRequest, header, root_of
from shared.problems import Refusal

# Words of a path and a query, none of which leads out of the service: `%2e` is a dot to browsers.
_is_own = re.compile(
    rf"(?!.*{ROOT.rstrip('/')})(?![^?]*%2e)([\w~%-][\w.~%-]*(/[\w~%-][\w.~%-]*)*)?(\?[!-~]*)?",
    re.ASCII | re.IGNORECASE,
).fullmatch
LONGEST_ADDRESS = 1_000
"""Characters: a cookie of 4 kB holds it, each written as three."""
_templates = templates_of(__package__)


class SignInAway(Rejection):
    """
    A server is away on which signing in depends.

    :param next: where to go once it is done, relative to the service's root: in the query, a form or a cookie.
    """

    def __init__(self, detail: str, *, next: str) -> None:
        super().__init__(UNVERIFIABLE, detail, headers={"Retry-After": "5"})
        self.next = next


class CookiePolicy(NamedTuple):
    """
    Whether a browser's session cookie is for https alone.

    :param by_https: it is, although a proxy that ends https asks us by http.
    :param path: under which a proxy serves us.
    """

    by_https: bool = False
    path: str = ""

    @classmethod
    def at(cls, url: str | None) -> Self:
        """:param url: where browsers find the page, as the setting has it."""
        parts = urlsplit(url or "")
        return cls(parts.scheme == "https", parts.path.rstrip("/"))


class SignInPage(NamedTuple):
    """
    What a browser is shown that has not signed in.

    :param for_whom: a sentence.
    :param command: that prints a link.
    :param stylesheet: relative to the service's root.
    """

    for_whom: str
    command: str
    stylesheet: str

    def page(self, *, news: str = "", next: str = "", by_issuer: bool) -> bytes:
        """
        Say how to sign in.

        :param news: what is to be said first.
        :param next: where to go then, relative to the service's root.
        :param by_issuer: whether an issuer signs browsers in.
        """
        template = _templates.get_template("sign_in.html")
        return template.render(**self._asdict(), news=news, next=next, by_issuer=by_issuer).encode()

    def done(self, *, next: str) -> bytes:
        """Lead on from a page of our own: a browser keeps our cookie from what another site has led it to."""
        return _templates.get_template("signed_in.html").render(stylesheet=self.stylesheet, next=next).encode()


class SignInAnswers:
    """
    The answers of one service.

    :param cookie: how the name of the session's cookie begins.
    """

    def __init__(self, shown: SignInPage, *, cookie: str) -> None:
        self.shown, self.cookie = shown, cookie

    def page(self, scope: HTTPScope, *, news: str, next: str, by_issuer: bool) -> bytes:
        return linked(self.shown.page(news=news, next=next, by_issuer=by_issuer), root_of(scope))

    def not_good(self, request: AnyRequest, news: str, *, next: str = "") -> Response[bytes]:
        """Say why a browser is not signed in, and how it could be."""
        return self.asked(request, news=news, next=next, status=401, headers={"WWW-Authenticate": "Bearer"})

    def refused(self, request: AnyRequest, refusal: Refusal) -> Response[bytes]:
        """Say to a person that a server is away on which signing in depends; all else is a problem."""
        if not isinstance(refusal, SignInAway) or not prefers_html(request.scope):
            return answer_refusal(request, refusal)
        news = f"{UNVERIFIABLE.title}. {refusal.detail}."
        status = UNVERIFIABLE.status
        return self.asked(request, news=news, next=refusal.next, status=status, headers=refusal.headers)

    def asked(
        self,
        request: AnyRequest,
        *,
        news: str = "",
        next: str,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
    ) -> Response[bytes]:
        """Say to a person how to sign in; see `SignInPage.page`."""
        page = self.page(request.scope, news=news, next=next, by_issuer=CodeFlow in request.app.state.registry)
        return Response(page, status_code=status, media_type="text/html", headers={**FORM_HEADERS, **(headers or {})})

    def begun(self, request: AnyRequest, services: Services, session: str, *, next: str = "") -> Response[bytes]:
        """Give a browser its session, and lead it on."""
        return lead(request, next, cookie=self.session_cookie(request, services, session, seconds=SESSION_SECONDS))

    def session_cookie(self, request: AnyRequest, services: Services, session: str, *, seconds: int) -> str:
        return set_cookie(request, services, self.cookie, session, seconds=seconds, same_site="Strict")


async def sessions_of(services: Services) -> Sessions:
    """:raises Rejection: the service has no Redis that could keep any, as the write API may."""
    if Sessions not in services.registry:
        raise Rejection(NOT_FOUND, "Browsers do not sign in here: there is no MUSTER_REDIS_URL")
    sessions: Sessions = await services.aget_abstract(Sessions)
    return sessions


def set_cookie(request: AnyRequest, services: Services, begin: str, value: str, *, seconds: int, same_site: str) -> str:
    """
    Write a cookie that no script can read.

    :param begin: how its name begins.
    """
    name = cookie_name(begin, header(request.scope, b"host") or "")
    is_secure = "; Secure" if is_by_https(request, services) else ""
    return f"{name}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite={same_site}{is_secure}"


def is_by_https(request: AnyRequest, services: Services) -> bool:
    return services.get(CookiePolicy).by_https or request.scope["scheme"] == "https"


def url_of(request: AnyRequest, services: Services) -> str:
    """Return where the browser has found the service, without a slash at its end."""
    scheme, host = "https" if is_by_https(request, services) else "http", header(request.scope, b"host")
    return f"{scheme}://{host or 'localhost'}{services.get(CookiePolicy).path}"


def own_address(text: str) -> str:
    """Return an address of the service, relative to its root: that itself if a text is none, or a long one."""
    return text if len(text) <= LONGEST_ADDRESS and _is_own(text) else ""


@contextmanager
def verifying(*, next: str) -> Iterator[None]:
    """
    Say as a problem that a server is away on which signing in depends.

    :param next: see `SignInAway`.
    """
    try:
        yield
    except Unavailable as error:
        raise SignInAway(str(error), next=next) from error


def lead(request: AnyRequest, where: str = "", *, cookie: str | None = None) -> Response[bytes]:
    """Lead a browser to an address, relative to the service's root."""
    about: Mapping[str, str] = {"Set-Cookie": cookie} if cookie else {}
    headers = {**PAGE_HEADERS, **about, "Location": root_of(request.scope) + where}
    return Response(b"", status_code=303, media_type="text/html", headers=headers)
