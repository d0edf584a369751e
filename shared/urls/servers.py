"""URLs of PostgreSQL and Redis, read once for every process and `muster doctor`: what cannot be read is one line."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Self
from urllib.parse import parse_qsl, urlencode, urlsplit

from shared.urls.parameters import (
    POSTGRES,
    REDIS,
    REDIS_TCP,
    REDIS_TLS,
    SENTINEL,
    anything,
    require_parameters,
    require_values,
)

SENTINEL_SCHEMES = {"redis+sentinel": "redis", "rediss+sentinel": "rediss"}
"""Each with the scheme of the server that the sentinels name."""

CLUSTER_SCHEMES = {"redis+cluster": "redis", "rediss+cluster": "rediss"}
"""Each with the scheme of the nodes."""

SENTINEL_PORT = 26_379
NODE_PORT = 6_379
REDIS_PARAMETERS = {
    "redis": REDIS_TCP,
    "rediss": REDIS_TLS,
    "unix": REDIS,
    "redis+sentinel": {**REDIS_TCP, **SENTINEL},
    "rediss+sentinel": {**REDIS_TLS, **SENTINEL},
    "redis+cluster": {name: read for name, read in REDIS_TCP.items() if name != "db"},
    "rediss+cluster": {name: read for name, read in REDIS_TLS.items() if name != "db"},
}
"""What may stand behind `?`, by the scheme."""


class Address(NamedTuple):
    """The host and port of a server."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str, *, default_port: int) -> Self:
        """:raises ValueError: it is no host, or its port is no port."""
        host, port = _place(f"//{text}")
        if not host:
            raise ValueError("one of the servers has no host")
        return cls(host, port or default_port)

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
        login, hosts, rest = _split_hosts(url)
        parts = urlsplit(f"//{rest}")  # without the hosts: `urlsplit` takes no list of which one has brackets
        service, _, database = parts.path.strip("/").partition("/")
        if not service or not (database or "0").isdigit():
            raise ValueError("write redis+sentinel://host:26379,host:26379/service/database")
        return cls(
            scheme=SENTINEL_SCHEMES[scheme_of(url)],
            login=login,
            sentinels=[Address.parse(host, default_port=SENTINEL_PORT) for host in hosts],
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


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterUrl:
    """
    Some nodes of a cluster, which know all others and who owns which keys.

        redis+cluster://[user:password@]host[:6379][,host…][/0][?…]

    All nodes take the same user and password. With `rediss+cluster` all speak TLS.
    """

    scheme: str
    login: str
    """As with `SentinelUrl`."""
    nodes: Sequence[Address]
    query: str

    @classmethod
    def parse(cls, url: str) -> Self:
        """:raises ValueError: it is no URL of a cluster."""
        login, hosts, rest = _split_hosts(url)
        path, _, query = rest.partition("?")
        if path not in {"", "/", "/0"}:
            raise ValueError("a cluster has one database: write redis+cluster://host:6379,host:6379")
        return cls(
            scheme=CLUSTER_SCHEMES[scheme_of(url)],
            login=login,
            nodes=[Address.parse(host, default_port=NODE_PORT) for host in hosts],
            query=query,
        )

    @property
    def is_secure(self) -> bool:
        return self.scheme == "rediss"

    def server(self, address: Address) -> str:
        """Return the URL of one node."""
        return f"{self.scheme}://{self.login}{address}/0{self.query and '?'}{self.query}"


def _split_hosts(url: str) -> tuple[str, Sequence[str], str]:
    """Return the login with its `@`, the hosts, and what follows them."""
    found = re.fullmatch(r"[^:]*://(?P<login>[^/]*@)?(?P<hosts>[^/?]*)(?P<rest>.*)", url)
    if found is None:
        raise ValueError("write all but letters and digits of a password as %XX")
    return found["login"] or "", found["hosts"].split(","), found["rest"]


def scheme_of(url: str) -> str:
    """Return what a URL begins with, also one with a list of hosts."""
    return url.partition("://")[0].lower()


def is_sentinel_url(url: str) -> bool:
    return scheme_of(url) in SENTINEL_SCHEMES


def is_cluster_url(url: str) -> bool:
    return scheme_of(url) in CLUSTER_SCHEMES


def parse_postgres_url(text: str) -> str:
    """:raises ValueError: libpq cannot connect to it; the text quotes nothing, since that may be a password."""
    from psycopg import Error, pq  # noqa: PLC0415 - commands that only ask APIs do without

    if scheme_of(text) not in {"postgresql", "postgres"}:
        raise ValueError("write postgresql://user:password@host:port/database")
    known = {each.keyword.decode(): anything for each in pq.Conninfo.parse(b"")}
    behind_login = re.sub(r"^[^:]+://[^/@]*@", "", text)
    require_parameters(behind_login.partition("?")[2], {**known, **POSTGRES})
    try:
        said = {each.keyword.decode(): each.val.decode() for each in pq.Conninfo.parse(text.encode()) if each.val}
    except (ValueError, Error):
        hint = "check its hosts and ports; in a password write all but letters and digits as %XX"
        raise ValueError(f"libpq cannot read it: {hint}") from None
    require_values({name: value for name, value in said.items() if name in POSTGRES}, POSTGRES)
    return text


def parse_redis_url(text: str) -> str:
    """:raises ValueError: it is no URL of a server, a service's sentinels or a cluster; the text quotes no password."""
    scheme = scheme_of(text)
    if scheme not in REDIS_PARAMETERS:
        raise ValueError(
            "write redis://host:port, rediss://…, unix:///path/to/socket, redis+sentinel://…/service or "
            "redis+cluster://host:port,host:port"
        )
    if re.search(r"[\s#]", text):
        raise ValueError("write # as %23, and a blank as %20")
    if is_sentinel_url(text):
        SentinelUrl.parse(text)
    elif is_cluster_url(text):
        ClusterUrl.parse(text)
    else:
        _require_one_server(text)
    require_parameters(text.partition("?")[2], REDIS_PARAMETERS[scheme])
    return text


def _require_one_server(url: str) -> None:
    if "," in url.partition("?")[0].rpartition("@")[2] and scheme_of(url) != "unix":
        raise ValueError("several hosts are sentinels or a cluster: write redis+sentinel://… or redis+cluster://…")
    (host, _), parts = _place(url), urlsplit(url)
    if parts.scheme == "unix":
        if host or len(parts.path) < len("/s"):
            raise ValueError("write unix:///path/to/socket")
        return
    if parts.netloc and not host:
        raise ValueError("it names no host: write all but letters and digits of a password as %XX")
    if not re.fullmatch(r"/?[0-9]*", parts.path):
        raise ValueError("a database is a number: write redis://host:port/0")


def _place(url: str) -> tuple[str | None, int | None]:
    """
    Return the host and the port of a URL.

    :raises ValueError: there are none; the text does not quote them, for they may be a part of a password.
    """
    try:
        return (parts := urlsplit(url)).hostname, parts.port
    except ValueError:
        raise ValueError("check the port; of a password write all but letters and digits as %XX") from None
