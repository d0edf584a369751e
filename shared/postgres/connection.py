"""The one way to PostgreSQL: sessions with the primary, which pin what Muster relies on."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.abc import Buffer
from psycopg.adapt import Loader
from psycopg.conninfo import conninfo_to_dict

from shared.errors import Unavailable
from shared.postgres.terminate import answered_within


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

PINNED_SETTINGS = """
    select set_config('default_transaction_isolation', 'read committed', false),
           set_config('statement_timeout', '0', false),
           set_config('lock_timeout', '0', false),
           set_config('idle_in_transaction_session_timeout', '0', false),
           case when current_setting('synchronous_commit') in ('off', 'local', 'remote_write')
                then set_config('synchronous_commit', 'on', false) end"""
"""
Sets what a result or a promise depends on, whatever the server, the database or the role says.

Time limits are Muster's own; what is answered is durable, so that a laxer default is overruled and a stricter one kept.
"""

_KEEPALIVE = {"keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3, "tcp_user_timeout": 15_000}


def connect_arguments(url: str, *, limits: PostgresLimits = POSTGRES_LIMITS) -> dict[str, Any]:
    """
    Return how psycopg opens a session: on the primary, and with TCP keepalive.

    :param url: any connection string of libpq; several hosts are allowed.
    """
    ours = {"target_session_attrs": "read-write", "connect_timeout": limits.connect_seconds, **_KEEPALIVE}
    return {**ours, **conninfo_to_dict(url)}


@asynccontextmanager
async def connected(
    url: str, *, autocommit: bool = False, limits: PostgresLimits = POSTGRES_LIMITS
) -> AsyncIterator[psycopg.AsyncConnection]:
    """
    Open a connection that is closed at the end, whatever happens; what was not committed is gone with it.

    JSON comes as bytes, which msgspec reads straight into its types. psycopg's own block asks for COMMIT or ROLLBACK
    first, and leaves the connection open where that fails or is cancelled.

    :raises Unavailable: there is no connection to be had.
    """
    with reachable():
        connection = await psycopg.AsyncConnection.connect(autocommit=True, **connect_arguments(url, limits=limits))
    try:
        with reachable(), answered_within(connection, seconds=limits.answer_seconds):
            await connection.execute(PINNED_SETTINGS)
        await connection.set_autocommit(autocommit)
        connection.adapters.register_loader("json", _RawJson)
        yield connection
    finally:
        await connection.close()


@contextmanager
def reachable() -> Iterator[None]:
    """Raise `Unavailable` for what the driver says of a lost connection or a server that is away."""
    try:
        yield
    except psycopg.OperationalError as error:
        raise Unavailable(str(error).strip()) from error


class _RawJson(Loader):
    def load(self, data: Buffer) -> bytes:
        return bytes(data)
