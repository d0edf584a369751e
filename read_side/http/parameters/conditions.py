"""What a reader may ask of an answer: how fresh it must be, and whether it is wanted if nothing changed."""

import re
from typing import Annotated

from litestar.types import Scope
from msgspec import Meta

from shared.http.middleware.compression import tags
from shared.http.openapi.document import Parameter
from shared.http.parsing.parameters import Parameters, whole_number

MIN_POSITION = "Muster-Min-Position"
MIN_POSITION_PARAMETER = "min_position"
GREATEST_POSITION = 2**63 - 1

_FRESHNESS = "Wait until the answer reflects the event log up to this position; 503 if that takes too long."
_Position = Annotated[int, Meta(ge=0, le=GREATEST_POSITION)]

CONDITIONS = (
    Parameter(name=MIN_POSITION, place="header", type=_Position, text=_FRESHNESS),
    Parameter(name=MIN_POSITION_PARAMETER, place="query", type=_Position, text=_FRESHNESS),
    Parameter(
        name="If-None-Match",
        place="header",
        type=str,
        text="Entity tags of what you have, or `*`: if one is that of the answer, it is 304 and has no body.",
    ),
)
"""As the documentation says them of every operation."""

position = whole_number(0, GREATEST_POSITION)
_ENTITY_TAG = re.compile(rb'"[\x21\x23-\x7e\x80-\xff]*"')


def wanted_position(parameters: Parameters) -> int:
    """Return the position that the answer must have reached, by header or by query; the higher if both are sent."""
    sent = parameters.header(MIN_POSITION, position, 0)
    return max(sent, parameters.one(MIN_POSITION_PARAMETER, position, 0))


def known_tag(scope: Scope, etag: str) -> str | None:
    """
    Return the tag by which If-None-Match says that the reader has this already, if it does.

    Compressed answers have tags of their own. Tags are compared weakly (RFC 9110, section 13.1.2).
    """
    for name, value in scope["headers"]:
        if name == b"if-none-match":
            sent = _ENTITY_TAG.findall(value)
            known = (each for each in tags(etag) if each.encode() in sent)
            if found := next(known, etag if value.strip() == b"*" else None):
                return found
    return None
