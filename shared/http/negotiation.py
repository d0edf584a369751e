"""Content negotiation (RFC 9110, section 12.5.1)."""

from litestar.types import Scope

from shared.http.problems import NOT_ACCEPTABLE, Rejection
from shared.http.requests import header

_EVERYTHING = frozenset({None, "", "*/*", "application/json"})


def require_acceptable(scope: Scope, offered: str) -> None:
    """:raises Rejection: 406, the Accept header excludes the media type offered."""
    accept = header(scope, b"accept")
    if accept not in _EVERYTHING and not _accepts(accept or "", offered):
        raise Rejection(NOT_ACCEPTABLE, f"The answer is {offered}, which Accept leaves out")


def _accepts(accept: str, offered: str) -> bool:
    """Tell whether the most specific range that covers the type has a quality above 0."""
    qualities = dict(_range_and_quality(part) for part in accept.lower().split(","))
    main_type = offered.partition("/")[0]
    covering = (offered, f"{main_type}/*", "*/*")
    return next((qualities[each] for each in covering if each in qualities), 0.0) > 0


def _range_and_quality(part: str) -> tuple[str, float]:
    media_range, *parameters = (each.strip() for each in part.split(";"))
    quality = next((each[2:] for each in parameters if each.startswith("q=")), "1")
    try:
        return media_range, float(quality)
    except ValueError:
        return media_range, 0.0
