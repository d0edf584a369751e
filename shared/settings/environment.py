"""The settings of this process: read from the environment once, checked whole, never changed."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, Self, TypeVar, get_args, get_type_hints

import msgspec
from msgspec import Meta

from shared.errors import SettingsError
from shared.settings.limits import ChangedLimits
from shared.urls.addresses import AllowedNetworks
from shared.urls.http import AllowedOrigins, parse_http_url, parse_issuer_url
from shared.urls.mail import parse_sender, parse_smtp_url
from shared.urls.servers import parse_postgres_url, parse_redis_url
from shared.wording import suggestion

PREFIX = "MUSTER_"
ADDRESSES = "addresses.json"
ENVIRONMENT, DEFAULT = "environment", "default"
UNSET = "-"
"""Stands for the value of a setting that has none."""

L = TypeVar("L")


class Secret:
    """A text that nothing shows: neither a message nor a traceback nor a debugger's list of variables."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        """:raises ValueError: it cannot stand in a header, such as that of a bearer."""
        if not re.fullmatch(r"[!-~]+", text):
            raise ValueError("it holds blanks, line breaks or other characters that no token has")
        self._text = text

    def reveal(self) -> str:
        return self._text

    def __str__(self) -> str:
        return "***"

    def __repr__(self) -> str:
        return "Secret(***)"


class SettingMissingError(SettingsError):
    """A needed setting is missing, and no running `muster up` supplies it."""


class Rate(NamedTuple):
    """So many requests in so many seconds."""

    quota: int
    seconds: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """:raises ValueError: it is none."""
        if not (match := re.fullmatch(r"([1-9]\d{0,8})/([1-9]\d{0,4})", text)):
            raise ValueError("write requests/seconds, such as 600/60")
        return cls(int(match[1]), int(match[2]))

    def __str__(self) -> str:
        return f"{self.quota}/{self.seconds}"


class WithSecrets(msgspec.Struct, frozen=True):
    """A struct that shows itself without its secrets."""

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [(field, printable(self, field)) for field in self.__struct_fields__]

    def __repr__(self) -> str:
        shown = ", ".join(f"{field}={text}" for field, text in self.__rich_repr__())
        return f"{type(self).__name__}({shown})"


class Addresses(WithSecrets, frozen=True, kw_only=True):
    """Where a running `muster up` serves: the content of `<home>/addresses.json`."""

    database_url: str
    redis_url: str
    write: str
    read: str
    ops: str


def absolute_path(text: str) -> Path:
    """:raises ValueError: it begins with the home of a user who has none."""
    try:
        return Path(text).expanduser().absolute()
    except RuntimeError as error:
        raise ValueError("write the whole path") from error


def whole_seconds(text: str) -> int:
    """:raises ValueError: it is no whole number from 1."""
    if not re.fullmatch(r"0*[1-9]\d{0,9}", text):
        raise ValueError("give a whole number of seconds from 1, or leave it out")
    return int(text)


def partition_count(text: str) -> int:
    """:raises ValueError: there are never so many."""
    if text not in {"1", "3", "12", "24", "48", "96"}:
        raise ValueError("choose 1, 3, 12, 24, 48 or 96, of which a cluster of so many nodes has equal parts")
    return int(text)


# How a variable is read: by a function, or as msgspec reads the type; its description says what to write instead.
Directory = Annotated[Path | None, absolute_path]
ApiUrl = Annotated[str | None, parse_http_url]
Count = Annotated[int, Meta(ge=1, description="give a whole number from 1")]
Seconds = Annotated[int, Meta(ge=1, le=3_153_600_000, description="give seconds from 1 to 3153600000")]
Kept = Annotated[int, Meta(ge=1, le=10_000, description="give a whole number from 1 to 10000")]
Port = Annotated[int, Meta(ge=1, le=65_535, description="give a port from 1 to 65535")]
Shards = Annotated[int, Meta(ge=1, le=256, description="give a whole number from 1 to 256")]
Wait = Annotated[float, Meta(ge=0, le=3_600, description="give seconds from 0 to 3600")]
PartitionCount = Annotated[int, partition_count]


class Settings(WithSecrets, frozen=True, kw_only=True):
    """Every setting with its value, in the order `muster config` prints them; `sources` tells where each came from."""

    home: Annotated[Path, absolute_path]
    """The state directory of `muster up`."""
    database_url: Annotated[str | None, parse_postgres_url] = None
    log_standby_url: Annotated[str | None, parse_postgres_url] = None
    """A standby of that PostgreSQL, which rebuilds and verifications read in its place; several hosts are allowed."""
    redis_url: Annotated[str | None, parse_redis_url] = None
    bus_url: Annotated[str | None, parse_redis_url] = None
    """The Redis with the streams of the bus, instead of that of the read models; see `bus_redis_url`."""
    write_url: ApiUrl = None
    read_url: ApiUrl = None
    ops_url: ApiUrl = None
    token: Annotated[Secret | None, Secret] = None
    read_wait: Wait = 2.0
    """Seconds."""
    idempotency_ttl: Count = 86_400
    """Seconds."""
    activity_kept: Kept = 1_000
    """Items of activity that the read model keeps of each account; all processes and `muster verify` need the same."""
    retention: Seconds = 2_592_000
    """Seconds for which the change feed keeps an item."""
    retention_count: Count = 1_000_000
    """Items that the change feed keeps, about: as many positions of the log."""
    partitions: PartitionCount = 1
    """Into how many parts the read models are to be divided, for a cluster: a wish of the projectors, if it is set."""
    bus_shards: Shards = 8
    """Streams of the bus; every producer and consumer needs the same number."""
    bus_subject: str = "bus"
    """On whose behalf commands of the bus are carried out."""
    workers: Count = 1
    rebuild: Literal["manual", "auto"] = "manual"
    log_format: Literal["console", "json"] = "console"
    auth: Literal["on", "off"] = "on"
    keys: Directory = None
    """The directory of the keys that sign tokens; see `key_directory`."""
    issuer: Annotated[str | None, parse_issuer_url] = None
    audience: str = "muster"
    openid_client: str | None = None
    """The client as which browsers are signed in at the issuer; unset, they are not."""
    openid_secret: Annotated[Secret | None, Secret] = None
    """Of that client, if it has one."""
    openid_scope: str | None = None
    """What it asks for; unset, `openid` and the scopes of everything on the page where a browser signs in."""
    rate_limit: Annotated[Rate | None, Rate.parse] = None
    """Of requests, for each subject, at each API."""
    cors_origins: Annotated[AllowedOrigins | None, AllowedOrigins.parse] = None
    """Of pages whose scripts may read the answers of the write API and the read API."""
    public_url: ApiUrl = None
    """Where people reach the write API: links in mails begin with it; without it, with that of the API."""
    smtp_url: Annotated[str | None, parse_smtp_url] = None
    """The mail server; without one, mails are written to `mail_folder`."""
    mail_from: Annotated[str | None, parse_sender] = None
    reminder_after: Count = 259_200
    """Seconds for which an address may stay unverified until its person is reminded."""
    close_unverified_after: Annotated[int | None, whole_seconds] = None
    """Seconds after which an account is closed whose address is unverified; unset, none is."""
    webhooks_allow: Annotated[AllowedNetworks | None, AllowedNetworks.parse] = None
    """Networks that webhooks may lead to although they are not public, also without TLS."""
    write_host: str = "127.0.0.1"
    write_port: Port = 8001
    read_host: str = "127.0.0.1"
    read_port: Port = 8002
    ops_host: str = "127.0.0.1"
    ops_port: Port = 8003
    consume_host: str = "127.0.0.1"
    consume_port: Port = 8005
    react_host: str = "127.0.0.1"
    react_port: Port = 8004
    postgres_bin: Directory = None
    """A directory with the PostgreSQL programs `muster up` is to use, instead of those from the wheel."""
    redis_bin: Directory = None
    """The Redis or Valkey server `muster up` is to use, instead of that from the wheel."""
    limits: Annotated[ChangedLimits | None, ChangedLimits.parse] = None
    """Limits of components that differ from their defaults; see `limits_of`."""
    sources: Mapping[str, str] = {}

    @classmethod
    def load(cls, environ: Mapping[str, str]) -> Self:
        """
        Read the `MUSTER_` variables of `environ`; an empty one counts as not set.

        White space at the ends is left out, which files and Kubernetes' secrets have, but for paths.

        :raises SettingsError: one is unknown or its value cannot be used.
        """
        ours = {name: _stripped(name, text) for name, text in environ.items() if name.startswith(PREFIX)}
        given = {name: text for name, text in ours.items() if text}
        values: dict[str, Any] = {"home": Path(".muster").absolute()}
        values |= {_field(name): _parsed(name, text) for name, text in given.items()}
        sources = {field: ENVIRONMENT if variable(field) in given else DEFAULT for field in FIELDS}
        return cls(**values, sources=sources)

    @classmethod
    def here(cls) -> Self:
        """
        Return the settings of this process: those of its environment, and of the `muster up` that runs here.

        :raises SettingsError: see `load` and `with_addresses`.
        """
        return cls.load(os.environ).with_addresses()

    def with_addresses(self) -> Self:
        """
        Fill the URLs that are not set with what the `muster up` of this state directory wrote.

        :raises SettingsError: the file is there but cannot be read.
        """
        addresses = read_addresses(self.home)
        if addresses is None:
            return self
        running = {
            "database_url": addresses.database_url,
            "redis_url": addresses.redis_url,
            "write_url": addresses.write,
            "read_url": addresses.read,
            "ops_url": addresses.ops,
        }
        missing = {field: url for field, url in running.items() if getattr(self, field) is None}
        sources = {**self.sources, **dict.fromkeys(missing, str(self.home / ADDRESSES))}
        return msgspec.structs.replace(self, **missing, sources=sources)

    @property
    def key_directory(self) -> Path:
        return self.keys or self.home / "keys"

    @property
    def bus_redis_url(self) -> str:
        """:raises SettingMissingError: no Redis is named."""
        return self.bus_url or self.required("redis_url")

    @property
    def mail_folder(self) -> Path:
        return self.home / "mail"

    def required(self, field: str) -> str:
        """:raises SettingMissingError: it is not set."""
        value = getattr(self, field)
        if value is None:
            raise SettingMissingError(
                f"{variable(field)} is not set and no `muster up` runs at {self.home}: set it, or start `muster up`"
            )
        return str(value)

    def limits_of(self, kind: type[L]) -> L:
        """
        Return a component's limits: the defaults of its dataclass, but for what MUSTER_LIMITS changes.

        :raises SettingsError: MUSTER_LIMITS names a limit that the component does not have, or a number it cannot be.
        """
        try:
            return (self.limits or ChangedLimits({})).apply(kind)
        except ValueError as error:
            raise SettingsError(f"{variable('limits')} is {str(self.limits)!r}: {error}") from error


FIELDS: Mapping[str, Any] = {
    field: hint for field, hint in get_type_hints(Settings, include_extras=True).items() if field != "sources"
}
"""Every setting there is, and how it is read."""


def variable(field: str) -> str:
    """Name the environment variable of a field."""
    return PREFIX + field.upper()


def read_addresses(state_directory: Path) -> Addresses | None:
    """
    Return what `muster up` wrote to its state directory, None if it has not.

    :raises SettingsError: the file cannot be read.
    """
    path = state_directory / ADDRESSES
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


def printable(shown: WithSecrets, field: str) -> str:
    """Return a value without its secrets."""
    value = getattr(shown, field)
    return UNSET if value is None else masked(str(value))


def _stripped(name: str, text: str) -> str:
    notes = getattr(FIELDS.get(name.removeprefix(PREFIX).lower()), "__metadata__", ())
    return text if absolute_path in notes else text.strip()


def _field(name: str) -> str:
    field = name.removeprefix(PREFIX).lower()
    if field in FIELDS:
        return field
    hint = suggestion(field, FIELDS, otherwise="`muster config` lists the settings there are", shown=variable)
    raise SettingsError(f"{name} is no setting: {hint}")


def _parsed(name: str, text: str) -> object:
    kind = FIELDS[_field(name)]
    notes = getattr(kind, "__metadata__", ())
    try:
        return notes[0](text) if notes and callable(notes[0]) else msgspec.convert(_plain(text, kind), kind)
    except msgspec.ValidationError as error:
        hint = notes[0].description if notes else f"choose one of: {', '.join(get_args(kind))}"
        raise SettingsError(f"{name} is {text!r}: {hint}") from error
    except ValueError as error:
        # What cannot be read may be a password, wherever it stands; nor is the error shown that quotes it.
        what = "not usable" if set(notes) & _OF_SECRETS else repr(masked(text))
        raise SettingsError(f"{name} is {what}: {error}") from None


_OF_SECRETS = {parse_postgres_url, parse_redis_url, parse_smtp_url, Secret}


def _plain(text: str, kind: Any) -> object:
    number = getattr(kind, "__origin__", str)
    try:
        return number(text) if number in {int, float} else text
    except ValueError:
        return text  # which is not of the kind
