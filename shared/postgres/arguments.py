"""How psycopg opens a session with PostgreSQL, and what of the environment counts for it."""

import os
from dataclasses import dataclass
from typing import Any

from psycopg.conninfo import conninfo_to_dict

from shared.urls.http import is_loopback


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresLimits:
    """
    How long a server may take.

    :param answer_seconds: after which a server that hangs (a frozen process, a dead disk) counts as lost, although
        its kernel answers TCP keepalives.
    """

    connect_seconds: int = 5
    answer_seconds: float = 30.0


POSTGRES_LIMITS = PostgresLimits()

PASSWORD = ("PGPASSWORD", "PGPASSFILE")
LOGIN = (*PASSWORD, "PGREQUIREAUTH", "PGCHANNELBINDING", "PGSSL", "PGGSS", "PGKRB")
"""What libpq's variables begin with that say how to log in, and by which TLS; the URL says all else."""

_KEEPALIVE = {"keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3, "tcp_user_timeout": 15_000}


def connect_arguments(url: str, *, limits: PostgresLimits = POSTGRES_LIMITS) -> dict[str, Any]:
    """
    Return how psycopg opens a session: on the primary, in UTF-8, and with TCP keepalive.

    Libpq's variables are removed from this process, since libpq obeys some of them whatever it is given: all but those
    in `LOGIN`, and on this machine, where embedded servers are, all but a password.

    :param url: any connection string of libpq; several hosts are allowed.
    """
    named = conninfo_to_dict(url)
    _forget_variables(keep=PASSWORD if all(map(is_loopback, hosts_of(named))) else LOGIN)
    ours = {"target_session_attrs": "read-write", "connect_timeout": limits.connect_seconds, **_KEEPALIVE}
    return {**ours, **named, "client_encoding": "utf8"}


def hosts_of(named: dict[str, Any]) -> list[str]:
    """Return the hosts that a connection string names."""
    return str(named.get("hostaddr") or named.get("host") or "").split(",")


def _forget_variables(*, keep: tuple[str, ...]) -> None:
    for name in [name for name in os.environ if name.startswith("PG") and not name.startswith(keep)]:
        del os.environ[name]
