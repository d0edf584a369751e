"""Errors as problem details (RFC 9457), each with a page that says what to do."""

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any

import msgspec
from litestar import Response
from litestar.exceptions import HTTPException
from litestar.types import HTTPScope, Scope, Send

from shared.http.requests import AnyRequest, request_id, send_whole
from shared.observability.logging import log_defect
from shared.problems import INTERNAL_ERROR, INVALID, NOT_JSON, OVERLOADED, TOO_LARGE, FieldError, Problem, Refusal

MEDIA_TYPE = "application/problem+json"


class ProblemDetails(msgspec.Struct, frozen=True, omit_defaults=True):
    """The body of every error."""

    type: str
    title: str
    status: int
    detail: str
    errors: tuple[FieldError, ...] = ()
    request_id: str | None = None


class Rejection(Refusal):
    """
    A request that is answered with a problem, and with headers of its own.

    :param more: what this kind of problem says besides (RFC 9457, section 3.2).
    """

    def __init__(
        self,
        problem: Problem,
        detail: str,
        *,
        errors: Iterable[FieldError] = (),
        headers: Mapping[str, str] | None = None,
        more: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(problem, detail, errors=errors)
        self.headers = dict(headers or {})
        self.more = dict(more or {})


BAD_REQUEST = Problem("bad-request", 400, "The request cannot be understood", "Check the request line and the headers.")
NOT_FOUND = Problem("not-found", 404, "There is nothing here", "See /docs for every address this service answers.")
METHOD_NOT_ALLOWED = Problem(
    "method-not-allowed", 405, "The method is not allowed", "Use one of the methods that the Allow header lists."
)
NOT_ACCEPTABLE = Problem(
    "not-acceptable", 406, "The answer cannot have that media type", "Accept application/json, or leave Accept out."
)
TOO_SLOW = Problem(
    "too-slow", 408, "The request did not come to its end", "Send it again, at once; a stream of commands has its time."
)
UNSUPPORTED_MEDIA_TYPE = Problem(
    "unsupported-media-type",
    415,
    "The body has the wrong media type",
    "Send Content-Type: application/json, or application/x-ndjson for a stream of commands.",
)
COMMON_PROBLEMS = (
    BAD_REQUEST,
    NOT_JSON,
    NOT_FOUND,
    METHOD_NOT_ALLOWED,
    NOT_ACCEPTABLE,
    TOO_SLOW,
    TOO_LARGE,
    UNSUPPORTED_MEDIA_TYPE,
    INVALID,
    OVERLOADED,
    INTERNAL_ERROR,
)
_BY_STATUS = {problem.status: problem for problem in COMMON_PROBLEMS if problem is not NOT_JSON}

_encode = msgspec.json.Encoder().encode


def answer_refusal(request: AnyRequest, refusal: Refusal) -> Response[bytes]:
    """Answer what is refused with its problem."""
    details = details_of(refusal, request_id=request_id(request.scope))
    return Response(
        _body(refusal, details), media_type=MEDIA_TYPE, status_code=details.status, headers=headers_of(refusal)
    )


async def send_rejection(rejection: Refusal, scope: Scope, send: Send, *, page: bytes | None = None) -> None:
    """
    Answer the same where no framework does.

    :param page: HTML to show instead of the problem.
    """
    details = details_of(rejection, request_id=request_id(scope))
    about = {"Content-Type": "text/html; charset=utf-8" if page else MEDIA_TYPE, **headers_of(rejection)}
    headers = [(name.lower().encode(), value.encode()) for name, value in about.items()]
    await send_whole(send, page or _body(rejection, details), status=details.status, headers=headers)


async def send_error(error: Exception, scope: Scope, send: Send) -> None:
    """Answer whatever was raised, where no framework does."""
    await send_rejection(error if isinstance(error, Refusal) else defect(error, scope), scope, send)


def require_method(scope: HTTPScope, method: str, *, allow: str) -> None:
    """
    Allow one method, where no framework does.

    :param allow: all that are allowed, for the client.
    :raises Rejection: 405, it is another one.
    """
    if scope["method"] != method:
        raise Rejection(METHOD_NOT_ALLOWED, f"{scope['method']} is not allowed here", headers={"Allow": allow})


def details_of(refusal: Refusal, *, request_id: str | None = None) -> ProblemDetails:
    """Describe a refusal as the body of an answer."""
    problem = refusal.problem
    return ProblemDetails(problem.type, problem.title, problem.status, refusal.detail, refusal.errors, request_id)


def _body(refusal: Refusal, details: ProblemDetails) -> bytes:
    more = refusal.more if isinstance(refusal, Rejection) else {}
    return _encode({**msgspec.to_builtins(details), **more}) if more else _encode(details)


def headers_of(refusal: Refusal) -> dict[str, str]:
    """Return what the answer to a refusal says in its headers, whatever its body is."""
    headers = refusal.headers if isinstance(refusal, Rejection) else {}
    return headers if refusal.retry_after is None else {"Retry-After": str(refusal.retry_after), **headers}


def answer_framework_error(request: AnyRequest, error: HTTPException) -> Response[bytes]:
    """Answer what Litestar refuses in the form of our problems."""
    problem = framework_problem(error)
    headers = {name.title(): value for name, value in (error.headers or {}).items()}
    if "GET" in (allowed := headers.get("Allow", "")):
        headers["Allow"] = f"{allowed}, HEAD"
    return answer_refusal(request, Rejection(problem, _detail(problem, error, request), headers=headers))


def framework_problem(error: HTTPException) -> Problem:
    """Return the problem of ours that Litestar's error is."""
    otherwise = BAD_REQUEST if error.status_code < HTTPStatus.INTERNAL_SERVER_ERROR else INTERNAL_ERROR
    return _BY_STATUS.get(error.status_code, otherwise)


def _detail(problem: Problem, error: HTTPException, request: AnyRequest) -> str:
    if problem is NOT_FOUND:
        return "Nothing has this address"  # the path may hold a handle or an e-mail address
    if problem is METHOD_NOT_ALLOWED:
        return f"{request.method} is not allowed here"
    return error.detail or problem.title


def answer_defect(request: AnyRequest, error: Exception) -> Response[bytes]:
    """Answer an unexpected error; log where it arose but not its text, which may quote people's data."""
    return answer_refusal(request, defect(error, request.scope))


def defect(error: Exception, scope: Scope) -> Rejection:
    """Log an unexpected error, and say no more of it than that."""
    log_defect(error, request_id=request_id(scope))
    return Rejection(INTERNAL_ERROR, "The request failed; the log says why")


EXCEPTION_HANDLERS: dict[Any, Any] = {
    Refusal: answer_refusal,
    HTTPException: answer_framework_error,
    Exception: answer_defect,
}
