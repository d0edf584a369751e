"""`/sign-in/openid`: how a browser comes into a page by way of the issuer."""

import re
from collections.abc import Sequence
from typing import Any

from litestar import Response, get
from litestar.params import FromQuery

from shared.auth.authentication import Authentication
from shared.auth.code_flow import ATTEMPT_SECONDS, CodeFlow, SignedIn, SignInAttempt
from shared.auth.principal import Principal
from shared.auth.sessions import SESSION_SECONDS
from shared.auth.tokens import InvalidToken
from shared.http.containers import Services
from shared.http.middleware.auth import cookie_name, cookie_of
from shared.http.pages.answers import FORM_HEADERS, PAGE_HEADERS
from shared.http.pages.documentation import linked
from shared.http.pages.sign_in_answers import (
    SignInAnswers,
    own_address,
    sessions_of,
    set_cookie,
    url_of,
    verifying,
)
from shared.http.problems import NOT_FOUND, Rejection
from shared.http.requests import AnyRequest, header, root_of
from shared.problems import Refusal

BEGIN, DONE = "/sign-in/openid", "/sign-in/openid/done"
"""The second is what the issuer has to know as the redirect URI."""

_is_error = re.compile(r"[a-z_]{1,40}").fullmatch


def issuer_routes(answers: SignInAnswers) -> Sequence[Any]:
    """Make the routes of a service."""
    kept = f"{answers.cookie}_openid"

    @get(BEGIN, exception_handlers={Refusal: answers.refused})
    async def begin(request: AnyRequest, services: Services, next: FromQuery[str] = "") -> Response[bytes]:
        await sessions_of(services)  # or it would be found out after the way to the issuer that there are none
        flow, attempt = _flow(services), SignInAttempt.new(where := own_address(next))
        with verifying(next=where):
            address = await flow.address(attempt, redirect_uri=url_of(request, services) + DONE)
        # Lax: it has to come along when the issuer leads back.
        cookie = set_cookie(request, services, kept, str(attempt), seconds=ATTEMPT_SECONDS, same_site="Lax")
        headers = {**PAGE_HEADERS, "Location": address, "Set-Cookie": cookie}
        return Response(b"", status_code=303, media_type="text/html", headers=headers)

    @get(DONE, exception_handlers={Refusal: answers.refused})
    async def done(request: AnyRequest, services: Services) -> Response[bytes]:
        response = await finished(request, services)
        response.delete_cookie(cookie_name(kept, header(request.scope, b"host") or ""))
        return response

    async def finished(request: AnyRequest, services: Services) -> Response[bytes]:
        attempt = SignInAttempt.parse(cookie_of(request.scope, kept) or "")
        where = own_address(attempt.next) if attempt else ""
        if _is_error(error := request.query_params.get("error", "")):
            return answers.not_good(request, f"The issuer has not signed you in ({error}).", next=where)
        if attempt is None:
            return answers.not_good(request, "It has taken too long, or was begun in another browser.")
        with verifying(next=where):
            try:
                session = await _session(request, services, attempt)
            except InvalidToken as refusal:
                return answers.not_good(request, f"You are not signed in. {refusal}.", next=where)
        return led_on(request, services, session, where)

    def led_on(request: AnyRequest, services: Services, session: str, where: str) -> Response[bytes]:
        cookie = answers.session_cookie(request, services, session, seconds=SESSION_SECONDS)
        page = linked(answers.shown.done(next=where), root_of(request.scope))
        return Response(page, media_type="text/html", headers={**FORM_HEADERS, "Set-Cookie": cookie})

    return begin, done


async def _session(request: AnyRequest, services: Services, attempt: SignInAttempt) -> str:
    """
    Begin a session of who has signed in at the issuer, which lasts no longer than their token.

    :raises InvalidToken: the answer is not good, or the token is not for us.
    """
    uri = url_of(request, services) + DONE
    found: SignedIn = await _flow(services).finish(attempt, dict(request.query_params), redirect_uri=uri)
    authentication: Authentication = await services.aget_abstract(Authentication)
    principal: Principal = await authentication.authenticate(found.access_token)
    if principal.subject != found.subject:
        raise InvalidToken("Its tokens are of two people")
    return await (await sessions_of(services)).begin_by_token(principal)


def _flow(services: Services) -> CodeFlow:
    """:raises Rejection: no issuer signs browsers in."""
    if CodeFlow not in services.registry:
        raise Rejection(NOT_FOUND, "No OpenID issuer signs browsers in here")
    return services.get(CodeFlow)
