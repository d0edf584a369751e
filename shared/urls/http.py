"""URLs of HTTP servers that settings name: whether they can be read, and which of them can be trusted."""

import ipaddress
import re
from typing import NamedTuple, Self
from urllib.parse import urlsplit

_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[^/?#@\s]+").fullmatch
_DEFAULT_PORTS = {"http": 80, "https": 443}


def parse_http_url(text: str) -> str:
    """
    Return the URL of an API, without a slash at its end.

    :raises ValueError: it is none.
    """
    parts = urlsplit(text)
    if parts.scheme not in {"http", "https"} or not parts.hostname or not _is_bare(text):
        raise ValueError("write http://host:port")
    return text.rstrip("/")


class AllowedOrigins(NamedTuple):
    """The origins of which scripts in browsers may read answers, `*` for all."""

    origins: frozenset[str] = frozenset()

    @classmethod
    def parse(cls, text: str) -> Self:
        """:raises ValueError: one is no origin."""
        return cls(frozenset(_origin(each.strip()) for each in text.split(",")))

    def __str__(self) -> str:
        return ",".join(sorted(self.origins))

    def allow(self, origin: str) -> bool:
        return origin in self.origins or "*" in self.origins


def _origin(text: str) -> str:
    """An origin as browsers write it: in lower case, without the port that its scheme has anyhow."""
    if text == "*":
        return text
    if not _ORIGIN(text.lower()):
        raise ValueError("write origins such as https://app.example.org, with commas in between, or *")
    parts = urlsplit(text.lower())
    return f"{parts.scheme}://{parts.netloc.removesuffix(f':{_DEFAULT_PORTS.get(parts.scheme)}')}"


def parse_issuer_url(text: str) -> str:
    """
    Return an OpenID issuer as its tokens name it, to the last character.

    :raises ValueError: it is none that could be trusted.
    """
    parts = urlsplit(text)
    if not is_trusted(text) or not parts.hostname or not _is_bare(text):
        raise ValueError("write https://host, as the issuer's tokens name it")
    return text


def _is_bare(url: str) -> bool:
    """Tell whether it has no login, query or fragment: paths of requests are put behind it."""
    parts = urlsplit(url)
    try:
        has_port = parts.port != 0
    except ValueError:
        return False
    return has_port and not re.search(r"[?#\s]|^[^/]*//[^/]*@", url)


def is_trusted(url: str) -> bool:
    """
    Tell whether what is read there cannot have been changed on its way.

    :raises ValueError: it is no URL.
    """
    parts = urlsplit(url)
    return parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname or ""))


def is_to_loopback(netloc: str) -> bool:
    """Tell whether a host with or without a port, as in `Host`, is one of the loopback interface."""
    try:
        return is_loopback(urlsplit(f"//{netloc}").hostname or "")
    except ValueError:
        return False


def is_loopback(host: str) -> bool:
    """Tell whether a host name, or an address without brackets, is one of the loopback interface."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
