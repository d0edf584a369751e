"""The URL of a mail server, and the address that mails come from."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from shared.urls.http import is_loopback
from shared.urls.parameters import one_of, require_parameters, text

if TYPE_CHECKING:
    from email.headerregistry import Address

_PORTS = {"smtp": 587, "smtps": 465}
"""RFC 8314: with STARTTLS, and with TLS from the first byte."""

_FORM = "write smtp://user:password@host:587 or smtps://user:password@host:465"
_PARAMETERS = {"starttls": one_of("required", "never"), "ssl_ca_certs": text}


@dataclass(frozen=True, slots=True, kw_only=True)
class SmtpServer:
    """
    A mail server, and how to speak to it.

        smtp[s]://[user:password@]host[:port][?starttls=required|never&ssl_ca_certs=/path]

    With `smtp` the line is encrypted by STARTTLS before anything is said, unless the server is on this machine.
    """

    host: str
    port: int
    user: str | None
    password: str | None
    has_tls: bool
    """From the first byte."""
    starttls: bool
    ca_certs: str | None

    @classmethod
    def parse(cls, url: str) -> Self:
        """:raises ValueError: it is no such URL, or a password would be sent over a line that can be read."""
        parts, port, query = _split(url)
        has_tls, host = parts.scheme == "smtps", parts.hostname or ""
        starttls = not has_tls and _is_upgraded(query, host)
        if parts.password and not (has_tls or starttls or is_loopback(host)):
            raise ValueError("starttls=never would send the password in the clear")
        return cls(
            host=host,
            port=port or _PORTS[parts.scheme],
            user=_unquoted(parts.username),
            password=_unquoted(parts.password),
            has_tls=has_tls,
            starttls=starttls,
            ca_certs=query.get("ssl_ca_certs"),
        )


def _unquoted(text: str | None) -> str | None:
    return None if text is None else unquote(text)


def _is_upgraded(query: Mapping[str, str], host: str) -> bool:
    return query.get("starttls", "never" if is_loopback(host) else "required") == "required"


def _split(url: str) -> tuple[SplitResult, int | None, dict[str, str]]:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ValueError(_FORM) from None  # whose text may quote a password
    if parts.scheme not in _PORTS or not parts.hostname or parts.path not in {"", "/"} or parts.fragment:
        raise ValueError(_FORM)
    if bool(parts.username) != bool(parts.password):
        raise ValueError(_FORM)
    require_parameters(parts.query, _PARAMETERS)
    query = dict(parse_qsl(parts.query))
    if parts.scheme == "smtps" and "starttls" in query:
        raise ValueError("smtps is encrypted from the first byte: leave starttls out")
    return parts, port, query


def parse_smtp_url(text: str) -> str:
    """:raises ValueError: see `SmtpServer`."""
    SmtpServer.parse(text)
    return text


def parse_sender(text: str) -> str:
    """
    Return the address that mails come from, with or without a name, as in `Muster <muster@example.org>`.

    :raises ValueError: it is none.
    """
    sender_of(text)
    return text


def sender_of(text: str) -> "Address":
    """:raises ValueError: it is no address."""
    from email.headerregistry import Address  # noqa: PLC0415 - nor all of e-mail to start a command
    from email.utils import parseaddr  # noqa: PLC0415 - likewise

    name, address = parseaddr(text)
    user, at, domain = address.rpartition("@")
    if not (user and at and domain) or not text.isprintable() or not address.isascii():
        raise ValueError("write an address such as Muster <muster@example.org>")
    return Address(display_name=name, username=user, domain=domain)
