"""Content negotiation (RFC 9110, section 12.5.1)."""

from collections.abc import Mapping

from litestar.types import Scope

from shared.http.problems import NOT_ACCEPTABLE, Rejection
from shared.http.requests import header

_EVERYTHING = frozenset({None, "", "*/*"})


def require_acceptable(scope: Scope, offered: str) -> None:
    """:raises Rejection: 406, the Accept header excludes the media type offered."""
    accept = header(scope, b"accept")
    if accept not in _EVERYTHING and accept != offered and not quality(accept or "", offered):
        raise Rejection(NOT_ACCEPTABLE, f"The answer is {offered}, which Accept leaves out")


def prefers_html(scope: Scope) -> bool:
    """Tell whether a page is wanted rather than JSON: browsers do, other clients have to say so."""
    accept = header(scope, b"accept") or ""
    return quality(accept, "text/html") > quality(accept, "application/json")


def quality(accept: str, offered: str) -> float:
    """How much an Accept header wants a media type, by the most specific range that covers it."""
    wanted, main_type = qualities(accept), offered.partition("/")[0]
    covering = (offered, f"{main_type}/*", "*/*")
    return next((wanted[each] for each in covering if each in wanted), 0.0)


def qualities(accept: str) -> Mapping[str, float]:
    """Read a list of what is accepted, and how much (RFC 9110, section 12.4.2)."""
    return dict(_wish(part) for part in accept.lower().split(","))


def _wish(part: str) -> tuple[str, float]:
    wanted, *parameters = (each.strip() for each in part.split(";"))
    weight = next((each[2:] for each in parameters if each.startswith("q=")), "1")
    try:
        return wanted, float(weight)
    except ValueError:
        return wanted, 0.0
