"""`/sign-in` and `/sign-out`: how a browser comes into a page, by a link that works once or by a token, and out."""

from collections.abc import Callable, Sequence
from typing import Any

from litestar import Response, get, post
from litestar.params import FromQuery
from litestar.types import HTTPScope

from shared.auth.authentication import Authentication
from shared.auth.principal import Principal
from shared.auth.sessions import Sessions
from shared.auth.tokens import InvalidToken
from shared.http.containers import Services
from shared.http.middleware.auth import UNAUTHORIZED, PagePolicy, credential
from shared.http.pages.answers import FORM_HEADERS
from shared.http.pages.csrf_check import require_own_form
from shared.http.pages.openid_sign_in import BEGIN, DONE, issuer_routes
from shared.http.pages.sign_in_answers import SignInAnswers, SignInPage, lead, own_address, sessions_of, verifying
from shared.http.parsing.forms import form_of
from shared.http.parsing.negotiation import prefers_html
from shared.http.problems import Rejection
from shared.http.requests import AnyRequest, wants_head_only
from shared.problems import Refusal

SIGN_IN, SIGN_OUT = "/sign-in", "/sign-out"
OPEN_PATHS = frozenset({SIGN_IN, SIGN_OUT, BEGIN, DONE})
NO_LINK = "The link is not good: it was used, or is too old."


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
        self._answers, self._has_page = SignInAnswers(shown, cookie=cookie), has_page
        self._on_refusal: Any = {Refusal: self._answers.refused}
        self.policy = PagePolicy(cookie, self.refused, covers, FORM_HEADERS)
        self.handlers: Sequence[Any] = (
            self._by_link(),
            self._by_token(),
            self._out(),
            *issuer_routes(self._answers),
        )

    def refused(self, scope: HTTPScope, rejection: Rejection, *, by_issuer: bool) -> bytes | None:
        """Make the page for a browser that is not let in; None where a problem is the answer."""
        if not self._has_page(scope) or not (rejection.problem is UNAUTHORIZED or prefers_html(scope)):
            return None
        query = scope["query_string"].decode("latin-1")
        next_ = scope["raw_path"].decode("latin-1").removeprefix("/") + (query and f"?{query}")
        news = "" if rejection.problem is UNAUTHORIZED else f"{rejection.problem.title}. {rejection.detail}."
        return self._answers.page(scope, news=news, next=own_address(next_), by_issuer=by_issuer)

    def _by_link(self) -> Any:
        @get(SIGN_IN, exception_handlers=self._on_refusal)
        async def sign_in(
            request: AnyRequest, services: Services, token: FromQuery[str] = "", next: FromQuery[str] = ""
        ) -> Response[bytes]:
            where = own_address(next)
            authentication = await services.aget_abstract(Authentication)
            if authentication.anonymous is not None:
                return lead(request, where)
            if wants_head_only(request.scope):  # mail scanners send it before people do: it must not use up a link
                return self._answers.not_good(request, NO_LINK)
            if not token:
                return self._answers.asked(request, next=where)
            sessions = await sessions_of(services)
            with verifying(next=where):
                try:
                    session = await sessions.begin(await authentication.sign_in(token))
                except InvalidToken:
                    session = None
            if session is None:
                return self._answers.not_good(request, NO_LINK, next=where)
            return self._answers.begun(request, services, session, next=where)

        return sign_in

    def _by_token(self) -> Any:
        @post(SIGN_IN, status_code=303, guards=[require_own_form], exception_handlers=self._on_refusal)
        async def sign_in_by_token(request: AnyRequest, services: Services) -> Response[bytes]:
            form = await form_of(request)
            where = own_address(form.one("next"))
            authentication = await services.aget_abstract(Authentication)
            if authentication.anonymous is not None:
                return lead(request, where)
            sessions = await sessions_of(services)
            with verifying(next=where):
                try:
                    principal: Principal = await authentication.authenticate(form.one("token").strip())
                except InvalidToken as error:
                    return self._answers.not_good(request, f"The token cannot be used. {error}.", next=where)
                session = await sessions.begin_by_token(principal)
            return self._answers.begun(request, services, session, next=where)

        return sign_in_by_token

    def _out(self) -> Any:
        @post(SIGN_OUT, status_code=303, guards=[require_own_form], exception_handlers=self._on_refusal)
        async def sign_out(request: AnyRequest, services: Services) -> Response[bytes]:
            name = credential(request.scope, self.policy)
            if name and Sessions in services.registry:
                with verifying(next=""):
                    await (await services.aget_abstract(Sessions)).end(name)
            return lead(request, cookie=self._answers.session_cookie(request, services, "", seconds=0))

        return sign_out
