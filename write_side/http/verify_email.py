"""
`/verify-email`: the page behind the link in a mail.

Only its button verifies: what scans mail follows links, and presses no buttons.
"""

import base64
import hashlib
from urllib.parse import parse_qs

from litestar import Response, get, post
from litestar.params import FromQuery
from markupsafe import Markup

from shared.auth.principal import COMMANDS, Principal
from shared.http.containers import Services
from shared.http.pages.answers import PAGE_HEADERS
from shared.http.pages.documentation import STYLE
from shared.http.pages.templating import templates_of
from shared.http.parsing.bodies import body_of, require_media_type
from shared.http.requests import AnyRequest, header, request_id
from shared.problems import Refusal
from write_side.domain.email_token import TokenNotGood
from write_side.domain.values import InvalidValue, MailedText
from write_side.execution.executor import CommandExecutor
from write_side.execution.invocation import Invocation
from write_side.execution.refusals import refusal_of
from write_side.http.requests import HttpChannel
from write_side.http.verify_email_texts import PageTexts, Said, texts_in
from write_side.use_cases import USE_CASES
from write_side.use_cases.verify_email import VerifyEmail

PATH = "/verify-email"
BEARER = Principal("verify-email", frozenset({COMMANDS}), is_limited=False)
"""Who has a token that was mailed: no caller of an API, and events name it as their actor."""

_USE_CASE = next(each for each in USE_CASES if each.command is VerifyEmail)
_CHANNEL = HttpChannel("page", route=PATH)
_STYLE_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
_POLICY = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; img-src 'self'; base-uri 'none'; form-action 'self';"
    " frame-ancestors 'none'"
)
_HEADERS = {**PAGE_HEADERS, "Content-Security-Policy": _POLICY}
_page = templates_of(__package__).get_template("verify_email.html")


@get(PATH)
async def ask_to_verify(token: FromQuery[str] = "", locale: FromQuery[str] = "") -> Response[bytes]:
    texts = texts_in(locale)
    if not token:
        return _answer(texts, texts.not_whole, status=422)
    return _answer(texts, texts.asked, token=token)


@post(PATH, status_code=200)
async def verify(request: AnyRequest, services: Services) -> Response[bytes]:
    require_media_type(request.scope, "application/x-www-form-urlencoded")
    form = parse_qs((await body_of(request)).decode("latin-1"), max_num_fields=10)
    texts = texts_in("".join(form.get("locale", ())))
    executor = await services.aget(CommandExecutor)
    try:
        await executor.execute(_invocation(request, "".join(form.get("token", ()))))
    except Refusal as refusal:
        return _refused(texts, refusal)
    return _answer(texts, texts.confirmed)


def _invocation(request: AnyRequest, token: str) -> Invocation:
    """
    Return the command under a key of the token's own: the button may be pressed twice.

    :raises Refusal: it is no token.
    """
    try:
        command = VerifyEmail(token=MailedText.parse(token))
    except InvalidValue:
        raise refusal_of(TokenNotGood()) from None
    return Invocation(
        use_case=_USE_CASE,
        command=command,
        principal=BEARER,
        channel=_CHANNEL,
        key=hashlib.sha256(token.encode()).hexdigest(),
        traceparent=header(request.scope, b"traceparent"),
        correlation=request_id(request.scope) or "",
    )


def _refused(texts: PageTexts, refusal: Refusal) -> Response[bytes]:
    problem = refusal.problem
    said = texts.refused.get(problem.name, Said(problem.title, problem.hint))
    headers = {} if refusal.retry_after is None else {"Retry-After": str(refusal.retry_after)}
    return _answer(texts, said, status=problem.status, headers=headers)


def _answer(
    texts: PageTexts, said: Said, *, token: str = "", status: int = 200, headers: dict[str, str] | None = None
) -> Response[bytes]:
    page = _page.render(
        locale=texts.locale,
        title=said.title,
        text=said.text,
        button=texts.button,
        token=token,
        style=Markup(STYLE),  # noqa: S704 - it is ours
    )
    return Response(page.encode(), media_type="text/html", status_code=status, headers={**_HEADERS, **(headers or {})})


HANDLERS = (ask_to_verify, verify)
