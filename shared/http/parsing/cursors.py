"""
Cursors: where a list goes on, in characters that an address takes as they are (RFC 3986, unreserved).

A cursor is base64url, without padding, of a version, a check and the place where the page before ended. The check is a
hash over the place and all that the list was asked, so that no cursor is taken for another list's. It has no key: all
that a forger could gain is a page of the same list from a place of their choice.
"""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import blake2b
from typing import NamedTuple, Self

from shared.http.parsing.parameters import Malformed

PATTERN = r"[A-Za-z0-9_-]+"
NOT_A_CURSOR = "must be the cursor of a page of this list, asked in the same way"

_VERSION = b"\x01"
_CHECK = 8
"""Bytes."""

_is_unreserved = re.compile(PATTERN).fullmatch


class Cursor(NamedTuple):
    """Leads behind `place`."""

    check: bytes
    place: bytes

    @classmethod
    def behind(cls, place: bytes, *, query: bytes) -> Self:
        """:param query: what the list was asked, but for how much of it."""
        return cls(_check(place, query), place)

    @classmethod
    def parse(cls, text: str) -> Self:
        """:raises Malformed: it is no cursor."""
        content = _content(text) if _is_unreserved(text) and len(text) % 4 != 1 else b""
        # We would not have made one that has bits set behind its end.
        if not content.startswith(_VERSION) or len(content) <= 1 + _CHECK or _text(content) != text:
            raise Malformed(NOT_A_CURSOR)
        return cls(content[1 : 1 + _CHECK], content[1 + _CHECK :])

    def is_of(self, query: bytes) -> bool:
        """Whether it was made for the same query."""
        return self.check == _check(self.place, query)

    def __str__(self) -> str:
        return _text(_VERSION + self.check + self.place)


def _check(place: bytes, query: bytes) -> bytes:
    return blake2b(len(place).to_bytes(8, "big") + place + query, digest_size=_CHECK).digest()


def _text(content: bytes) -> str:
    return urlsafe_b64encode(content).rstrip(b"=").decode()


def _content(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))
