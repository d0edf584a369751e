"""The auth middleware: every request needs a token with a scope (RFC 6750), except for the open paths."""

from collections.abc import AsyncIterator, Callable, Mapping, MutableMapping
from contextlib import asynccontextmanager
from math import ceil
from typing import Any, NamedTuple, Protocol, TypeAlias

import svcs
from litestar import Litestar
from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPScope, Receive, Scope, Send

from shared.auth.authentication import Authentication
from shared.auth.code_flow import CodeFlow
from shared.auth.principal import Principal
from shared.auth.rate_limits import RateLimiter
from shared.auth.sessions import Sessions, is_name
from shared.auth.tokens import InvalidToken
from shared.errors import Unavailable
from shared.http.problems import Rejection, send_rejection
from shared.http.requests import header, with_headers
from shared.problems import Problem
from shared.runtime.tasks import Tasks

OPEN = frozenset(
    {"/livez", "/readyz", "/metrics", "/openapi.json", "/docs", "/pages/docs.css", "/problems", "/favicon.ico"}
)
"""What every caller may read at every service; the pages under `/docs/` and `/problems/` too."""

UNAUTHORIZED = Problem(
    "unauthorized",
    401,
    "A token is needed",
    "Send Authorization: Bearer and a token. Operators make one with `muster token --scope …`; a running `muster up` "
    "has one in the file `token` of its state directory.",
)
INSUFFICIENT_SCOPE = Problem(
    "insufficient-scope",
    403,
    "The token does not allow this",
    "The detail names the scope that is missing. Ask for a token that has it: `muster token --scope …`.",
)
UNVERIFIABLE = Problem(
    "unverifiable",
    503,
    "The token or the session cannot be verified now",
    "Try again after Retry-After. Operators: see that the keys can be read (the log says why not), the issuer in "
    "MUSTER_ISSUER answers, and Redis, which keeps the sessions of browsers.",
)
TOO_MANY_REQUESTS = Problem(
    "too-many-requests",
    429,
    "The token's subject has made too many requests",
    "Try again after Retry-After. RateLimit-Policy says how many may be made in how many seconds, RateLimit how many "
    "are left. POST /commands takes many commands at once, and is slowed down rather than refused.",
)
AUTH_PROBLEMS = (UNAUTHORIZED, INSUFFICIENT_SCOPE, TOO_MANY_REQUESTS, UNVERIFIABLE)


Inside: TypeAlias = Callable[[ASGIApp], ASGIApp]
"""Makes the layer between authentication and the framework's application."""


class RefusedPage(Protocol):
    """Makes the page for a browser that is not let in; None where a problem is the answer."""

    def __call__(self, scope: HTTPScope, rejection: Rejection, *, by_issuer: bool) -> bytes | None:
        """:param by_issuer: whether an OpenID issuer signs browsers in."""


class PagePolicy(NamedTuple):
    """
    How browsers come to the pages of a service.

    :param cookie: how the name of the session's cookie begins.
    :param covers: tells which requests are for a page although their path is open: another answer is.
    :param headers: of that page.
    """

    cookie: str
    refused: RefusedPage
    covers: Callable[[HTTPScope], bool]
    headers: Mapping[str, str]


class Policy(NamedTuple):
    """
    The scopes that callers of a service need.

    :param scope: the scope for everything that is not open.
    :param open: further paths that need no token.
    :param pages: without them no cookie is heeded.
    """

    scope: str
    open: frozenset[str] = frozenset()
    pages: PagePolicy | None = None

    def is_open(self, scope: HTTPScope) -> bool:
        path = scope["path"]
        if path in OPEN or path in self.open or path.startswith(("/docs/", "/problems/")):
            return self.pages is None or not self.pages.covers(scope)
        return False


def caller(scope: Scope | MutableMapping[str, Any]) -> Principal:
    """Return the principal of the request being answered, whose path is not open."""
    principal: Principal = scope["muster_caller"]  # type: ignore[typeddict-item] # put there by the middleware
    return principal


def require_scope(scope: Scope | MutableMapping[str, Any], needed: str) -> None:
    """:raises Rejection: 403, the caller's token does not allow it."""
    if needed not in caller(scope).scopes:
        challenge = f'Bearer error="insufficient_scope", scope="{needed}"'
        detail = f"It needs a token with the scope {needed}"
        raise Rejection(INSUFFICIENT_SCOPE, detail, headers={"WWW-Authenticate": challenge})


def credential(scope: Scope | MutableMapping[str, Any], pages: PagePolicy) -> str | None:
    """Return the token, or the name of the session, by which the caller of a page is known; None where none is."""
    return _token(scope) or cookie_of(scope, pages.cookie)


async def wait_for_rate_limit(scope: Scope | MutableMapping[str, Any]) -> None:
    """Wait until the caller's rate allows one command more, in a request with many."""
    limiter: RateLimiter | None = scope.get("muster_limiter")  # type: ignore[assignment] # put there by the middleware
    if limiter is not None:
        await limiter.wait(caller(scope).subject)


class AuthMiddleware:
    """The layer in front of a service's routes: a route that no policy names is closed."""

    def __init__(self, policy: Policy, inside: Inside) -> None:
        self._policy = policy
        self._inside = inside
        self._app: ASGIApp
        self._authentication: Authentication
        self._sessions: Sessions | None = None
        self._by_issuer = False
        self._limiter: RateLimiter | None = None

    @asynccontextmanager
    async def lifespan(self, app: Litestar) -> AsyncIterator[None]:
        """Authenticate the requests to an application as long as it runs, by the adapters in its registry."""
        self._app = self._inside(app)
        async with svcs.Container(app.state.registry) as container:
            self._authentication = await container.aget_abstract(Authentication)
            if Sessions in app.state.registry:
                self._sessions = await container.aget_abstract(Sessions)
            self._by_issuer = CodeFlow in app.state.registry
            self._limiter = container.get(RateLimiter) if RateLimiter in app.state.registry else None
            async with Tasks() as tasks:
                tasks.start(self._authentication.run(), name="keys and revoked tokens")
                yield

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == ScopeType.HTTP and not self._policy.is_open(scope):
            try:
                principal = scope["muster_caller"] = await self._authenticate(scope)  # type: ignore[typeddict-unknown-key] # see `caller`
                if self._limiter and principal.is_limited:
                    send = await self._counted(self._limiter, principal, scope, send)
                require_scope(scope, self._policy.scope)
            except Rejection as rejection:
                await self._refuse(rejection, scope, send)
                return
        await self._app(scope, receive, send)

    async def _authenticate(self, scope: Any) -> Principal:
        authentication = self._authentication
        if authentication.anonymous is not None:
            return authentication.anonymous
        if (token := _token(scope)) is not None:
            return authentication.known(token) or await self._verified(token)
        name = cookie_of(scope, self._policy.pages.cookie) if self._policy.pages else None
        if name and (principal := await self._signed_in(name)):
            return principal
        raise Rejection(UNAUTHORIZED, "No token was sent", headers=_refused("Bearer"))

    async def _counted(self, limiter: RateLimiter, principal: Principal, scope: Any, send: Send) -> Send:
        """
        Count the request; return how its answer is sent, with the headers of the rate.

        :raises Rejection: 429, there were too many.
        """
        verdict, rate = await limiter.admit(principal.subject), limiter.rate
        # draft-ietf-httpapi-ratelimit-headers-10
        limits = {
            "RateLimit-Policy": f'"subject";q={rate.quota};w={rate.seconds}',
            "RateLimit": f'"subject";r={verdict.remaining};t={ceil(verdict.reset)}',
        }
        if verdict.retry_after:
            headers = {**limits, "Retry-After": str(ceil(verdict.retry_after)), "Cache-Control": "no-store"}
            raise Rejection(TOO_MANY_REQUESTS, f"More than {rate.quota} in {rate.seconds} s", headers=headers)
        scope["muster_limiter"] = limiter
        return with_headers(send, [(name.lower().encode(), text.encode()) for name, text in limits.items()])

    async def _verified(self, token: str) -> Principal:
        if is_name(token) and (principal := await self._signed_in(token)):
            return principal
        try:
            return await self._authentication.authenticate(token)
        except InvalidToken as error:
            raise _invalid(str(error)) from None
        except Unavailable as error:
            raise _unverifiable(str(error)) from None

    async def _signed_in(self, name: str) -> Principal | None:
        """Return the principal of a session: at the API of a page, and where the page sends what it is asked for."""
        if self._sessions is None:
            return None
        try:
            principal = await self._sessions.find(name)
            return principal if principal and await self._authentication.admits(principal) else None
        except Unavailable:
            raise _unverifiable("The session, or the key by which it began, cannot be looked up") from None

    async def _refuse(self, rejection: Rejection, scope: Any, send: Send) -> None:
        pages = self._policy.pages
        if page := pages and pages.refused(scope, rejection, by_issuer=self._by_issuer):
            rejection.headers = {**pages.headers, **rejection.headers}
        await send_rejection(rejection, scope, send, page=page)


def cookie_name(begin: str, host: str) -> str:
    """Name the cookie after the port: browsers do not keep the cookies of two ports apart."""
    port = host.rpartition(":")[2]
    return f"{begin}_{port if port.isdecimal() and port.isascii() else 80}"


def _token(scope: Any) -> str | None:
    """Return the bearer token that was sent; None if there is none."""
    scheme, _, token = (header(scope, b"authorization") or "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def cookie_of(scope: Any, begin: str) -> str | None:
    """Return a cookie of ours from all of them, which are not checked otherwise (RFC 6265, section 4.2.1)."""
    wanted = cookie_name(begin, header(scope, b"host") or "")
    pairs = (each.strip().partition("=") for each in (header(scope, b"cookie") or "").split(";"))
    return next((value for name, _, value in pairs if name == wanted), None)


def _invalid(why: str) -> Rejection:
    challenge = f'Bearer error="invalid_token", error_description="{why}"'
    return Rejection(UNAUTHORIZED, f"The token cannot be used. {why}", headers=_refused(challenge))


def _refused(challenge: str) -> Mapping[str, str]:
    return {"WWW-Authenticate": challenge, "Cache-Control": "no-store"}


def _unverifiable(why: str) -> Rejection:
    return Rejection(UNVERIFIABLE, why, headers={"Retry-After": "5", "Cache-Control": "no-store"})
