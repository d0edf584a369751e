"""`/sign-in` and `/sign-out`: how a browser comes into a page, by a link that works once or by a token, and out."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple, Self
from urllib.parse import urlsplit

from litestar import Request, Response, get, post
from litestar.params import FromQuery
from litestar.types import HTTPScope

from shared.auth.authentication import Authentication
from shared.auth.principal import Principal
from shared.auth.sessions import SESSION_SECONDS, Sessions
from shared.auth.tokens import InvalidToken
from shared.errors import Unavailable
from shared.http.containers import Services
from shared.http.middleware.auth import UNAUTHORIZED, UNVERIFIABLE, PagePolicy, credential, session_cookie
from shared.http.pages.answers import FORM_HEADERS, PAGE_HEADERS
from shared.http.pages.csrf_check import require_own_form
from shared.http.pages.documentation import ROOT, linked
from shared.http.pages.templating import templates_of
from shared.http.parsing.forms import form_of
from shared.http.parsing.negotiation import prefers_html
from shared.http.problems import Rejection
from shared.http.requests import header, root_of, wants_head_only

SIGN_IN, SIGN_OUT = "/sign-in", "/sign-out"
NO_LINK = "The link is not good: it was used, or is too old."

# Words of a path and a query, none of which leads out of the service.
_is_address = re.compile(r"([\w~%-][\w.~%-]*(/[\w~%-][\w.~%-]*)*)?(\?[!-~]*)?", re.ASCII).fullmatch
_templates = templates_of(__package__)
_templates.globals["root"] = ROOT


class CookiePolicy(NamedTuple):
    """
    Whether a browser's session cookie is for https alone.

    :param by_https: it is, although a proxy that ends https asks us by http.
    """

    by_https: bool = False

    @classmethod
    def at(cls, url: str | None) -> Self:
        """:param url: where browsers find the page, as the setting has it."""
        return cls(url is not None and urlsplit(url).scheme == "https")


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

    def page(self, *, news: str = "", next: str = "") -> bytes:
        """
        Say how to sign in.

        :param news: what is to be said first.
        :param next: where to go then, relative to the service's root.
        """
        template = _templates.get_template("sign_in.html")
        return template.render(**self._asdict(), news=news, next=next).encode()


class SignIn:
    """
    Lets browsers into the pages of a service.

    :param cookie: how the name of the session's cookie begins.
    :param has_page: tells whether a request is one of a browser for a page.
    :param covers: see `PagePolicy`.
    """

    def __init__(
        self,
        shown: SignInPage,
        *,
        cookie: str,
        has_page: Callable[[HTTPScope], bool],
        covers: Callable[[HTTPScope], bool] = lambda _: False,
    ) -> None:
        self._shown, self._has_page = shown, has_page
        self.policy = PagePolicy(cookie, self.refused, covers, FORM_HEADERS)
        self.handlers: Sequence[Any] = (self._by_link(), self._by_token(), self._out())

    def refused(self, scope: HTTPScope, rejection: Rejection) -> bytes | None:
        """Make the page for a browser that is not let in; None where a problem is the answer."""
        if not self._has_page(scope) or not (rejection.problem is UNAUTHORIZED or prefers_html(scope)):
            return None
        query = scope["query_string"].decode("latin-1")
        next_ = scope["raw_path"].decode("latin-1").removeprefix("/") + (query and f"?{query}")
        news = "" if rejection.problem is UNAUTHORIZED else f"{rejection.problem.title}. {rejection.detail}."
        return self._page(scope, news=news, next=next_ if _is_address(next_) else "")

    def _by_link(self) -> Any:
        @get(SIGN_IN)
        async def sign_in(
            request: Request[Any, Any, Any], services: Services, token: FromQuery[str] = ""
        ) -> Response[bytes]:
            authentication = await services.aget_abstract(Authentication)
            if authentication.anonymous is not None:
                return _to(request)
            if wants_head_only(request.scope):  # mail scanners send it before people do: it must not use up a link
                return self._not_good(request, NO_LINK)
            sessions = await services.aget_abstract(Sessions)
            with _verifying():
                try:
                    session = await sessions.begin(await authentication.sign_in(token))
                except InvalidToken:
                    session = None
            return self._begun(request, session, services) if session else self._not_good(request, NO_LINK)

        return sign_in

    def _by_token(self) -> Any:
        @post(SIGN_IN, status_code=303, guards=[require_own_form])
        async def sign_in_by_token(request: Request[Any, Any, Any], services: Services) -> Response[bytes]:
            form = await form_of(request)
            next_ = form.one("next")
            where = next_ if _is_address(next_) else ""
            authentication = await services.aget_abstract(Authentication)
            if authentication.anonymous is not None:
                return _to(request, where)
            sessions = await services.aget_abstract(Sessions)
            with _verifying():
                try:
                    principal: Principal = await authentication.authenticate(form.one("token").strip())
                except InvalidToken as error:
                    return self._not_good(request, f"The token cannot be used. {error}.", next=where)
                return self._begun(request, await sessions.begin_by_token(principal), services, next=where)

        return sign_in_by_token

    def _out(self) -> Any:
        @post(SIGN_OUT, status_code=303, guards=[require_own_form])
        async def sign_out(request: Request[Any, Any, Any], services: Services) -> Response[bytes]:
            name = credential(request.scope, self.policy)
            if name and Sessions in services.registry:
                with _verifying():
                    await (await services.aget_abstract(Sessions)).end(name)
            return _to(request, cookie=self._cookie(request, "", services, seconds=0))

        return sign_out

    def _begun(
        self, request: Request[Any, Any, Any], session: str, services: Services, *, next: str = ""
    ) -> Response[bytes]:
        return _to(request, next, cookie=self._cookie(request, session, services, seconds=SESSION_SECONDS))

    def _not_good(self, request: Request[Any, Any, Any], news: str, *, next: str = "") -> Response[bytes]:
        headers = {**FORM_HEADERS, "WWW-Authenticate": "Bearer"}
        page = self._page(request.scope, news=news, next=next)
        return Response(page, status_code=401, media_type="text/html", headers=headers)

    def _page(self, scope: HTTPScope, *, news: str, next: str) -> bytes:
        return linked(self._shown.page(news=news, next=next), root_of(scope))

    def _cookie(self, request: Request[Any, Any, Any], session: str, services: Services, *, seconds: int) -> str:
        name = session_cookie(self.policy.cookie, header(request.scope, b"host") or "")
        by_https = services.get(CookiePolicy).by_https or request.scope["scheme"] == "https"
        is_secure = "; Secure" if by_https else ""
        return f"{name}={session}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{is_secure}"


@contextmanager
def _verifying() -> Iterator[None]:
    """Say as a problem that a server is away on which signing in depends."""
    try:
        yield
    except Unavailable as error:
        raise Rejection(UNVERIFIABLE, str(error), headers={"Retry-After": "5"}) from error


def _to(request: Request[Any, Any, Any], where: str = "", *, cookie: str | None = None) -> Response[bytes]:
    about: Mapping[str, str] = {"Set-Cookie": cookie} if cookie else {}
    headers = {**PAGE_HEADERS, **about, "Location": root_of(request.scope) + where}
    return Response(b"", status_code=303, media_type="text/html", headers=headers)
