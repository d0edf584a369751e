"""What the environment says about this process: read once, checked whole, never changed."""

import difflib
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal, Self, TypeVar
from urllib.parse import urlsplit

import msgspec
import psycopg
from psycopg.conninfo import conninfo_to_dict

from shared.redis.sentinels import SCHEMES, connection_options, scheme_of
from shared.values import Rate, issuer_url

PREFIX = "MUSTER_"
ADDRESSES = "addresses.json"
ENVIRONMENT, DEFAULT = "environment", "default"

Number = TypeVar("Number", int, float)


class SettingsError(Exception):
    """A setting is wrong or unknown; the text names it and says what to do."""


class SettingMissingError(SettingsError):
    """A setting is needed that nobody made, and no `muster up` is there to say it."""


class Addresses(msgspec.Struct, frozen=True, kw_only=True):
    """Where a running `muster up` serves: the content of `<home>/addresses.json`."""

    database_url: str
    redis_url: str
    write: str
    read: str
    ops: str


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Every setting with its value; `sources` tells where each came from."""

    home: Path
    database_url: str | None = None
    redis_url: str | None = None
    write_url: str | None = None
    read_url: str | None = None
    ops_url: str | None = None
    token: str | None = None
    read_wait: float = 2.0
    """Seconds."""
    idempotency_ttl: int = 86_400
    """Seconds."""
    partitions: int = 1
    workers: int = 1
    rebuild: Literal["manual", "auto"] = "manual"
    log_format: Literal["console", "json"] = "console"
    auth: Literal["on", "off"] = "on"
    keys: Path | None = None
    """The directory of the keys that sign tokens; see `key_directory`."""
    issuer: str | None = None
    audience: str = "muster"
    rate_limit: Rate | None = None
    """Of requests, for each subject, at each API."""
    write_host: str = "127.0.0.1"
    write_port: int = 8001
    read_host: str = "127.0.0.1"
    read_port: int = 8002
    ops_host: str = "127.0.0.1"
    ops_port: int = 8003
    postgres_bin: Path | None = None
    """A directory with the PostgreSQL programs `muster up` is to use, instead of those from the wheel."""
    redis_bin: Path | None = None
    """The Redis or Valkey server `muster up` is to use, instead of that from the wheel."""
    sources: Mapping[str, str] = {}

    @classmethod
    def load(cls, environ: Mapping[str, str]) -> Self:
        """
        Read the `MUSTER_` variables of `environ`; an empty one counts as not set.

        :raises SettingsError: one is unknown or its value cannot be used.
        """
        given = {name: text for name, text in environ.items() if name.startswith(PREFIX) and text}
        values: dict[str, Any] = {"home": Path(".muster").absolute()}
        for name, text in given.items():
            values[_field(name)] = _parsed(name, text)
        sources = {field: _source(field, given) for field in _PARSERS}
        return cls(**values, sources=sources)

    def with_addresses(self) -> Self:
        """
        Fill the URLs that are not set with what the `muster up` of this home wrote down.

        :raises SettingsError: the file is there but cannot be read.
        """
        addresses = read_addresses(self.home)
        if addresses is None:
            return self
        found = {
            "database_url": addresses.database_url,
            "redis_url": addresses.redis_url,
            "write_url": addresses.write,
            "read_url": addresses.read,
            "ops_url": addresses.ops,
        }
        missing = {field: url for field, url in found.items() if getattr(self, field) is None}
        sources = {**self.sources, **dict.fromkeys(missing, str(self.home / ADDRESSES))}
        return msgspec.structs.replace(self, **missing, sources=sources)

    @property
    def key_directory(self) -> Path:
        return self.keys or self.home / "keys"

    def required(self, field: str) -> str:
        """
        Return a setting the caller cannot do without.

        :raises SettingMissingError: it is not set.
        """
        value = getattr(self, field)
        if value is None:
            raise SettingMissingError(
                f"{variable(field)} is not set and no `muster up` runs at {self.home}: set it, or start `muster up`"
            )
        return str(value)


def variable(field: str) -> str:
    """Name the environment variable of a field."""
    return PREFIX + field.upper()


def read_addresses(home: Path) -> Addresses | None:
    """
    Return what `muster up` wrote to this home, None if it has not.

    :raises SettingsError: the file cannot be read.
    """
    path = home / ADDRESSES
    try:
        return msgspec.json.decode(path.read_bytes(), type=Addresses)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, msgspec.DecodeError) as error:
        raise SettingsError(f"{path} cannot be read ({error}): start `muster up` again, or remove the file") from error


def masked(value: str) -> str:
    """Hide the passwords inside a URL."""
    without_user_info = re.sub(r"(?<=://)([^:/@?#]*):.*(?=@)", r"\1:***", value)
    return re.sub(r"(?<=[?&])((?:ssl_?|sentinel_)?password)=[^&]*", r"\1=***", without_user_info)


def printable(settings: Settings, field: str) -> str:
    """Return a setting's value as it may be shown to anybody."""
    value = getattr(settings, field)
    if value is None:
        return "-"
    return "***" if field == "token" else masked(str(value))


def _field(name: str) -> str:
    field = name.removeprefix(PREFIX).lower()
    if field in _PARSERS:
        return field
    near = difflib.get_close_matches(field, _PARSERS, n=1)
    remedy = f"did you mean {variable(near[0])}?" if near else "`muster config` lists the settings there are"
    raise SettingsError(f"{name} is no setting: {remedy}")


def _parsed(name: str, text: str) -> object:
    try:
        return _PARSERS[_field(name)](text)
    except ValueError as error:
        raise SettingsError(f"{name} is {masked(text)!r}: {error}") from error


def _source(field: str, given: Mapping[str, str]) -> str:
    return ENVIRONMENT if variable(field) in given else DEFAULT


def _postgres_url(text: str) -> str:
    if urlsplit(text).scheme not in {"postgresql", "postgres"}:
        raise ValueError("write postgresql://user:password@host:port/database")
    return _readable(text, conninfo_to_dict)


def _redis_url(text: str) -> str:
    scheme = scheme_of(text)
    if "cluster" in scheme or ("," in text and scheme not in SCHEMES):
        raise ValueError("this release works with one Redis, not with a cluster: name a single redis://host:port")
    if scheme not in {"redis", "rediss", "unix", *SCHEMES}:
        raise ValueError("write redis://host:port, rediss://…, unix:///path/to/socket or redis+sentinel://…/service")
    return _readable(text, connection_options)


def _readable(url: str, driver: Callable[[str], object]) -> str:
    """Return a URL that the driver understands; what it says otherwise is left out, since it may quote a password."""
    try:
        urlsplit(url).port if "," not in url else None
        driver(url)
    except (ValueError, psycopg.Error):
        raise ValueError("the driver cannot read it: check the port, and the names and values behind `?`") from None
    return url


def _http_url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("write http://host:port")
    return text.rstrip("/")


def _seconds(text: str) -> float:
    seconds = _number(float, text)
    if not 0 <= seconds <= 3_600:  # noqa: PLR2004 - an hour; nobody waits longer for a read
        raise ValueError("give seconds from 0 to 3600")
    return seconds


def _positive(text: str) -> int:
    number = _number(int, text)
    if number < 1:
        raise ValueError("give a whole number from 1")
    return number


def _port(text: str) -> int:
    number = _number(int, text)
    if not 1 <= number <= 65_535:  # noqa: PLR2004 - what TCP has
        raise ValueError("give a port from 1 to 65535")
    return number


def _partitions(text: str) -> int:
    if _number(int, text) != 1:
        raise ValueError("this release accepts one partition: set 1, or leave it out")
    return 1


def _number(kind: Callable[[str], Number], text: str) -> Number:
    try:
        return kind(text)
    except ValueError:
        raise ValueError("that is not a number") from None


def _one_of(*choices: str) -> Callable[[str], str]:
    def choose(text: str) -> str:
        if text not in choices:
            raise ValueError(f"choose one of: {', '.join(choices)}")
        return text

    return choose


def _path(text: str) -> Path:
    return Path(text).expanduser().absolute()


_PARSERS: Mapping[str, Callable[[str], object]] = {
    "home": _path,
    "database_url": _postgres_url,
    "redis_url": _redis_url,
    "write_url": _http_url,
    "read_url": _http_url,
    "ops_url": _http_url,
    "token": str,
    "read_wait": _seconds,
    "idempotency_ttl": _positive,
    "partitions": _partitions,
    "workers": _positive,
    "rebuild": _one_of("manual", "auto"),
    "log_format": _one_of("console", "json"),
    "auth": _one_of("on", "off"),
    "keys": _path,
    "issuer": issuer_url,
    "audience": str,
    "rate_limit": Rate.parse,
    "write_host": str,
    "write_port": _port,
    "read_host": str,
    "read_port": _port,
    "ops_host": str,
    "ops_port": _port,
    "postgres_bin": _path,
    "redis_bin": _path,
}
"""Every setting there is, in the order `muster config` prints them."""
