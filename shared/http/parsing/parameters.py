"""Parse the query of a request once, and report everything that is wrong with it together."""

import re
from collections.abc import Callable, Iterator
from typing import TypeVar
from urllib.parse import quote, unquote_to_bytes

from litestar.types import Scope

from shared.http.problems import Rejection
from shared.http.requests import header
from shared.problems import INVALID, MOST_ERRORS, FieldError

T = TypeVar("T")
D = TypeVar("D")

Parse = Callable[[str], T]
"""Makes a value of text; raises `Malformed`."""

NOT_UTF_8 = "must be UTF-8, percent-encoded"

_is_unreserved = re.compile(rb"[A-Za-z0-9._~-]*").fullmatch
_is_number = re.compile(r"[0-9]{1,19}").fullmatch
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]").search


class Malformed(Exception):
    """A text is no value of its kind; the message says what would be one."""


def whole_number(least: int, most: int) -> Parse[int]:
    """Make what reads a whole number that lies within bounds."""

    def read(text: str) -> int:
        if not _is_number(text) or not least <= int(text) <= most:
            raise Malformed(f"must be a whole number from {least} to {most}")
        return int(text)

    return read


class Parameters:
    """
    The parameters of a request.

    Each that is known is taken by its name; what is not taken by then is unknown.
    """

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self._pairs = list(_pairs(scope["query_string"]))
        self._left: dict[bytes, list[bytes]] = {}
        for name, value in self._pairs:
            self._left.setdefault(name, []).append(value)
        self._errors: list[FieldError] = []

    def one(self, name: str, parse: Parse[T], default: D) -> T | D:
        """Take a parameter that may be given once."""
        values = self._take(name)
        if len(values) > 1:
            self._refuse(f"?{name}", "must be given once only")
            return default
        return self._parsed(f"?{name}", values[0], parse, default) if values else default

    def many(self, name: str, parse: Parse[T], *, most: int) -> tuple[T, ...]:
        """Take a parameter that may be given several times; each value counts once."""
        values = self._take(name)
        if len(values) > most:
            self._refuse(f"?{name}", f"must be given {most} times at most, not {len(values)} times")
            return ()
        parsed = (self._parsed(f"?{name}", each, parse, None) for each in values)
        return tuple(dict.fromkeys(each for each in parsed if each is not None))

    def header(self, name: str, parse: Parse[T], default: D) -> T | D:
        """Take a header."""
        sent = header(self._scope, name.lower().encode())
        return default if sent is None else self._parsed(name, sent.strip().encode(), parse, default)

    def require_valid(self) -> None:
        """:raises Rejection: 422, with all that is wrong."""
        errors = [*self._errors, *(FieldError(_pointer(name), "is not a parameter here") for name in self._left)]
        if errors:
            raise invalid(*errors[:MOST_ERRORS])

    def address_with(self, name: str, value: str) -> bytes:
        """The query of this request with another value of one parameter, as an address relative to its own."""
        pairs = [*(pair for pair in self._pairs if pair[0] != name.encode()), (name.encode(), value.encode())]
        return b"?" + b"&".join([b"%b=%b" % (_quoted(name), _quoted(value)) for name, value in pairs])

    def _take(self, name: str) -> list[bytes]:
        return self._left.pop(name.encode(), [])

    def _parsed(self, pointer: str, value: bytes, parse: Parse[T], default: D) -> T | D:
        try:
            return parse(_text(value))
        except Malformed as malformed:
            self._refuse(pointer, str(malformed))
            return default

    def _refuse(self, pointer: str, detail: str) -> None:
        error = FieldError(pointer, detail)
        if error not in self._errors:
            self._errors.append(error)


def invalid(*errors: FieldError) -> Rejection:
    """Tell what is not valid."""
    named = ", ".join(dict.fromkeys(error.pointer for error in errors))
    return Rejection(INVALID, f"Not valid: {named}", errors=errors)


def _pairs(query: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Names and values as a form sends them, in which a plus is a space."""
    for part in filter(None, query.split(b"&")):
        name, _, value = part.replace(b"+", b" ").partition(b"=")
        yield unquote_to_bytes(name), unquote_to_bytes(value)


def _quoted(text: bytes) -> bytes:
    return text if _is_unreserved(text) else quote(text, safe="").encode()


def _text(value: bytes) -> str:
    try:
        text = value.decode()
    except UnicodeDecodeError:
        raise Malformed(NOT_UTF_8) from None
    if _CONTROL(text):
        raise Malformed("must not contain control characters")
    return text


def _pointer(name: bytes) -> str:
    return f"?{name.decode(errors='replace')}"
