"""
What a browser may do at a page: nothing on behalf of another site, and nothing under a foreign name.

A browser sends the cookie of its session with whatever the sites that it shows have it ask for, unless they are of
another site (`SameSite=Strict`); another port of this machine is none. Where there is no authentication, who can reach
the port can use it, and a browser on this machine can reach it too.
"""

from typing import Any
from urllib.parse import urlsplit

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler

from shared.auth.principal import ANONYMOUS
from shared.http.middleware.auth import caller
from shared.http.problems import Rejection
from shared.http.requests import header
from shared.problems import Problem
from shared.urls.http import is_to_loopback

CROSS_SITE = Problem(
    "cross-site", 403, "The request comes from another site", "Operate Muster from its own pages, or without a browser."
)
FOREIGN_HOST = Problem(
    "foreign-host",
    403,
    "Without authentication the page and what changes anything answer to this machine's own names only",
    "Leave MUSTER_AUTH on, or use localhost, 127.0.0.1 or [::1], from elsewhere by a tunnel: "
    "`ssh -L PORT:127.0.0.1:PORT …`. See docs/operations/watching.md, The ops page.",
)
PROBLEMS = (CROSS_SITE, FOREIGN_HOST)

Connection = ASGIConnection[Any, Any, Any, Any]


def require_local_host(connection: Connection, _: BaseRouteHandler) -> None:
    """
    Refuse what is addressed to another name than one of the loopback interface, where no token is asked for.

    A foreign page may have its own name resolved to 127.0.0.1 and is then of the same origin (DNS
    rebinding). It cannot change the name itself, which stands in `Host`; nor has it, under that name, a session.

    :raises Rejection: 403.
    """
    if caller(connection.scope) is not ANONYMOUS:
        return
    host = header(connection.scope, b"host") or ""
    if not is_to_loopback(host):
        raise Rejection(FOREIGN_HOST, f"The request is addressed to {host or 'no host'}")


def require_same_site(connection: Connection, _: BaseRouteHandler) -> None:
    """
    Refuse what a browser sends on behalf of another site (see OWASP, Cross-Site Request Forgery Prevention).

    Browsers say where a request comes from; the media type, which a form cannot send, makes older ones ask first.

    :raises Rejection: 403.
    """
    fetched_from, origin = header(connection.scope, b"sec-fetch-site"), header(connection.scope, b"origin")
    if fetched_from not in {None, "same-origin", "none"}:
        raise Rejection(CROSS_SITE, f"Sec-Fetch-Site is {fetched_from}")
    if origin is not None and not _is_at(origin, header(connection.scope, b"host")):
        raise Rejection(CROSS_SITE, f"Origin is {origin}")


def require_own_form(connection: Connection, handler: BaseRouteHandler) -> None:
    """
    Refuse a form of which a browser does not say that it is one of ours: no media type tells it from a foreign one.

    :raises Rejection: 403.
    """
    require_same_site(connection, handler)
    if header(connection.scope, b"sec-fetch-site") is None and header(connection.scope, b"origin") is None:
        raise Rejection(CROSS_SITE, "Neither Origin nor Sec-Fetch-Site says where the form comes from")


GUARDS = [require_local_host, require_same_site]
"""The guards of every handler that takes JSON and changes anything."""

FORM_GUARDS = [require_local_host, require_own_form]
"""The guards of every handler that takes a form and changes anything."""


def _is_at(origin: str, host: str | None) -> bool:
    try:
        return urlsplit(origin).netloc == host
    except ValueError:
        return False
