"""Clients of HTTP servers: straight to our own, and to others as the environment says."""

import ssl
from typing import Any, TypeVar

import httpx

from shared.errors import SettingsError

Client = TypeVar("Client", httpx.Client, httpx.AsyncClient)

HINT = "mend or unset HTTP_PROXY, HTTPS_PROXY, ALL_PROXY, NO_PROXY, SSL_CERT_FILE, SSL_CERT_DIR or SSLKEYLOGFILE"


def http_client(kind: type[Client], url: str, *, direct: bool, **options: Any) -> Client:
    """
    Return a client of the server at a URL.

    :param direct: whether it is one of ours or on this machine. No proxy stands in between then, which would see
        tokens, and what the environment says of proxies does not even have to be readable.
    :raises SettingsError: what the environment says of proxies or certificates cannot be used.
    """
    is_plain = direct and not url.startswith("https:")
    try:
        # Not httpx's own context, which the environment can break, and which takes 20 ms to read certificates.
        verify = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT) if is_plain else httpx.create_ssl_context()
        return kind(base_url=url, trust_env=not direct, verify=verify, **options)
    except (httpx.InvalidURL, ImportError, OSError, ValueError) as error:
        raise SettingsError(f"the environment does not lead to {url} ({_line(error)}): {HINT}") from error


def _line(error: Exception) -> str:
    return " ".join(str(error).split())
