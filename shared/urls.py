"""URLs that settings name: whether they can be read, what they say, and which of them can be trusted."""

import ipaddress
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Self
from urllib.parse import parse_qsl, urlencode, urlsplit

import psycopg
from psycopg.conninfo import conninfo_to_dict
from redis.asyncio.connection import parse_url

SENTINEL_SCHEMES = {"redis+sentinel": "redis", "rediss+sentinel": "rediss"}
"""Each with the scheme of the server that the sentinels name."""

SENTINEL_PORT = 26_379
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[^/?#@\s]+").fullmatch
_DEFAULT_PORTS = {"http": 80, "https": 443}


class Address(NamedTuple):
    """Where a server listens."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """:raises ValueError: it is no host, or its port is no port."""
        parts = urlsplit(f"//{text}")
        if not parts.hostname:
            raise ValueError("a sentinel has no host")
        return cls(parts.hostname, parts.port or SENTINEL_PORT)

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class SentinelUrl:
    """
    The master of a service, and the sentinels that know its address.

        redis+sentinel://[user:password@]host[:26379][,host…]/service[/database][?sentinel_password=…]

    User and password are those of Redis; the sentinels' own stand behind `?`. With `rediss+sentinel` all speak TLS.
    """

    scheme: str
    login: str
    """User and password as the URL has them, with their `@`."""
    sentinels: Sequence[Address]
    service: str
    database: str
    query: Mapping[str, str]

    @classmethod
    def parse(cls, url: str) -> Self:
        """:raises ValueError: it is no URL of sentinels."""
        authority, slash, rest = url.partition("://")[2].partition("/")
        login, at, hosts = authority.rpartition("@")
        parts = urlsplit(f"//{slash}{rest}")  # without the hosts: `urlsplit` takes no list of which one has brackets
        service, _, database = parts.path.strip("/").partition("/")
        if not service or not (database or "0").isdigit():
            raise ValueError("write redis+sentinel://host:26379,host:26379/service/database")
        return cls(
            scheme=SENTINEL_SCHEMES[scheme_of(url)],
            login=login + at,
            sentinels=[Address.parse(host) for host in hosts.split(",")],
            service=service,
            database=database or "0",
            query=dict(parse_qsl(parts.query)),
        )

    @property
    def is_secure(self) -> bool:
        return self.scheme == "rediss"

    def server(self, address: Address) -> str:
        """Return the URL of one server, without what only its sentinels are to hear."""
        query = urlencode([pair for pair in self.query.items() if not pair[0].startswith("sentinel_")])
        return f"{self.scheme}://{self.login}{address}/{self.database}{query and '?'}{query}"


def scheme_of(url: str) -> str:
    """Return what a URL begins with, also one with a list of hosts."""
    return url.partition("://")[0].lower()


def is_sentinel_url(url: str) -> bool:
    return scheme_of(url) in SENTINEL_SCHEMES


def parse_postgres_url(text: str) -> str:
    """:raises ValueError: psycopg cannot connect to it."""
    if scheme_of(text) not in {"postgresql", "postgres"}:
        raise ValueError("write postgresql://user:password@host:port/database")
    return _readable(text, conninfo_to_dict)


def parse_redis_url(text: str) -> str:
    """:raises ValueError: it is no URL of one server, nor of one service's sentinels."""
    scheme = scheme_of(text)
    if "cluster" in scheme or ("," in text and not is_sentinel_url(text)):
        raise ValueError("this release works with one Redis, not with a cluster: name a single redis://host:port")
    if is_sentinel_url(text):
        return _readable(text, lambda url: parse_url((named := SentinelUrl.parse(url)).server(named.sentinels[0])))
    if scheme not in {"redis", "rediss", "unix"}:
        raise ValueError("write redis://host:port, rediss://…, unix:///path/to/socket or redis+sentinel://…/service")
    return _readable(text, parse_url)


def parse_http_url(text: str) -> str:
    """
    Return the URL of an API, without a slash at its end.

    :raises ValueError: it is none.
    """
    parts = urlsplit(text)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
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
    if not is_trusted(text) or not parts.hostname or parts.query or parts.fragment or parts.username:
        raise ValueError("write https://host, as the issuer's tokens name it")
    return text


def is_trusted(url: str) -> bool:
    """
    Tell whether what is read there cannot have been changed on its way.

    :raises ValueError: it is no URL.
    """
    parts = urlsplit(url)
    return parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname or ""))


def is_loopback(host: str) -> bool:
    """Tell whether a host name, or an address without brackets, is one of the loopback interface."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _readable(url: str, driver: Callable[[str], object]) -> str:
    """Return a URL that the driver understands; what it says otherwise is left out, since it may quote a password."""
    try:
        urlsplit(url).port if "," not in url else None
        driver(url)
    except (ValueError, psycopg.Error):
        raise ValueError("the driver cannot read it: check the port, and the names and values behind `?`") from None
    return url
