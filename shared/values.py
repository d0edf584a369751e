"""What settings say about access, as values."""

import re
from typing import NamedTuple, Self
from urllib.parse import urlsplit

from shared.loopback import is_loopback

_RATE = re.compile(r"([1-9]\d{0,8})/([1-9]\d{0,4})").fullmatch


class Rate(NamedTuple):
    """So many requests in so many seconds."""

    quota: int
    seconds: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """:raises ValueError: it is none."""
        if not (found := _RATE(text)):
            raise ValueError("write requests/seconds, such as 600/60")
        return cls(int(found[1]), int(found[2]))

    def __str__(self) -> str:
        return f"{self.quota}/{self.seconds}"


def issuer_url(text: str) -> str:
    """
    An OpenID issuer as its tokens name it, to the last character.

    :raises ValueError: it is none that could be trusted.
    """
    parts = urlsplit(text)
    if not is_trusted(text) or not parts.hostname or parts.query or parts.fragment or parts.username:
        raise ValueError("write https://host, as the issuer's tokens name it")
    return text


def is_trusted(url: str) -> bool:
    """
    Whether nobody can have changed on the way what is read there.

    :raises ValueError: it is no URL.
    """
    parts = urlsplit(url)
    return parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname or ""))
