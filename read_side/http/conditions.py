"""What a reader may ask of an answer: how fresh it must be, and whether it is wanted if nothing changed."""

import re
from collections.abc import Iterable, Iterator
from urllib.parse import parse_qsl

from litestar.types import Scope

from shared.http.problems import INVALID, FieldError, Rejection
from shared.http.requests import header

MIN_POSITION = "Muster-Min-Position"
MIN_POSITION_PARAMETER = "min_position"
GREATEST_POSITION = 2**63 - 1

_POINTERS = (MIN_POSITION, f"?{MIN_POSITION_PARAMETER}")
_NUMBER = re.compile(r"[0-9]{1,19}").fullmatch
_ENTITY_TAG = re.compile(rb'"[\x21\x23-\x7e\x80-\xff]*"')


def minimum_position(scope: Scope) -> int:
    """
    Return the position that the answer must have reached, by header or by query; the highest if several are sent.

    :raises Rejection: 422, one is no position, or the query says something else.
    """
    given = list(_given(scope))
    if errors := list(_wrong(given)):
        raise Rejection(INVALID, f"Not valid: {', '.join(error.pointer for error in errors)}", errors=errors)
    return max((int(text) for _, text in given), default=0)


def is_known(scope: Scope, etag: str) -> bool:
    """Whether If-None-Match says that the reader has this already (RFC 9110, section 13.1.2: compared weakly)."""
    for name, value in scope["headers"]:
        if name == b"if-none-match" and (value.strip() == b"*" or etag.encode() in _ENTITY_TAG.findall(value)):
            return True
    return False


def _given(scope: Scope) -> Iterator[tuple[str, str]]:
    if (sent := header(scope, b"muster-min-position")) is not None:
        yield MIN_POSITION, sent.strip()
    if scope["query_string"]:
        for name, text in parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True):
            yield f"?{name}", text


def _wrong(given: Iterable[tuple[str, str]]) -> Iterator[FieldError]:
    for pointer, text in given:
        if pointer not in _POINTERS:
            yield FieldError(pointer, "is not a parameter here")
        elif not _is_position(text):
            yield FieldError(pointer, f"must be a whole number from 0 to {GREATEST_POSITION}")


def _is_position(text: str) -> bool:
    return _NUMBER(text) is not None and int(text) <= GREATEST_POSITION
