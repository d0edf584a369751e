"""What may stand behind the `?` in the URLs of both servers, and how each value is read."""

import difflib
from collections.abc import Callable, Mapping
from math import isfinite
from urllib.parse import parse_qsl

Read = Callable[[str], object]
"""Reads a value, and raises ValueError, which says what to write instead, where it cannot."""


def one_of(*values: str) -> Read:
    def read(text: str) -> None:
        if text not in values:
            raise ValueError(f"choose one of: {', '.join(values)}")

    return read


def text(given: str) -> None:
    if not given:
        raise ValueError("it is empty")


def anything(_: str) -> None:
    """For what only the driver knows."""


def whole(given: str) -> None:
    if not (given.isascii() and given.isdigit()):
        raise ValueError("write a whole number")


def seconds(given: str) -> None:
    try:
        is_good = isfinite(number := float(given)) and number > 0
    except ValueError:
        is_good = False
    if not is_good:
        raise ValueError("write seconds")


def ports(given: str) -> None:
    for each in given.split(","):
        if each and not (each.isdigit() and 1 <= int(each) <= 65_535):  # noqa: PLR2004 - the highest there is
            raise ValueError("ports are 1 to 65535")


boolean = one_of("true", "false", "yes", "no", "1", "0")

REDIS: Mapping[str, Read] = {
    "db": whole,
    "username": text,
    "password": text,
    "client_name": text,
    "protocol": one_of("2", "3"),
    "socket_timeout": seconds,
    "socket_connect_timeout": seconds,
    "health_check_interval": whole,
}
REDIS_TCP: Mapping[str, Read] = {**REDIS, "socket_keepalive": boolean}
REDIS_TLS: Mapping[str, Read] = {
    **REDIS_TCP,
    "ssl_cert_reqs": one_of("none", "optional", "required"),
    "ssl_check_hostname": boolean,
    **dict.fromkeys(("ssl_ca_certs", "ssl_ca_path", "ssl_ca_data", "ssl_ciphers"), text),
    **dict.fromkeys(("ssl_certfile", "ssl_keyfile", "ssl_password"), text),
}
SENTINEL: Mapping[str, Read] = {"sentinel_username": text, "sentinel_password": text}
POSTGRES: Mapping[str, Read] = {
    "port": ports,
    "ssl": one_of("true"),
    "sslmode": one_of("disable", "allow", "prefer", "require", "verify-ca", "verify-full"),
    "sslnegotiation": one_of("postgres", "direct"),
    "sslcertmode": one_of("disable", "allow", "require"),
    "gssencmode": one_of("disable", "prefer", "require"),
    "channel_binding": one_of("disable", "prefer", "require"),
    "target_session_attrs": one_of("any", "read-write", "read-only", "primary", "standby", "prefer-standby"),
    "load_balance_hosts": one_of("disable", "random"),
    "replication": one_of("false", "off", "no", "0"),
    **dict.fromkeys(("connect_timeout", "tcp_user_timeout", "keepalives"), whole),
    **dict.fromkeys(("keepalives_idle", "keepalives_interval", "keepalives_count"), whole),
}
"""Values that libpq looks at no sooner than it connects; it knows all names by itself."""


def require_parameters(query: str, known: Mapping[str, Read]) -> None:
    """
    :param query: what stands behind `?`.
    :raises ValueError: a parameter is unknown, stands there twice, or cannot be read; the text names it, and no value.
    """
    if query.count("&") + 1 != len(pairs := parse_qsl(query, keep_blank_values=True)) and query:
        raise ValueError("behind `?` stands name=value, with & in between")
    for nth, (name, _) in enumerate(pairs):
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            raise ValueError(f"it takes no {name!r} behind `?`" + (f": did you mean {near[0]}?" if near else ""))
        if name in dict(pairs[:nth]):
            raise ValueError(f"{name} stands twice behind `?`")
    require_values(dict(pairs), known)


def require_values(values: Mapping[str, str], known: Mapping[str, Read]) -> None:
    """:raises ValueError: one cannot be read; the text names the parameter only."""
    for name, value in values.items():
        try:
            known[name](value)
        except ValueError as error:
            raise ValueError(f"{name} cannot be read: {error}") from None
