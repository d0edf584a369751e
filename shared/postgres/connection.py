"""The one way to PostgreSQL: sessions with the primary, which pin what Muster relies on."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import psycopg
from psycopg.abc import Buffer
from psycopg.adapt import Loader

from shared.errors import Unavailable
from shared.postgres.arguments import POSTGRES_LIMITS, PostgresLimits, connect_arguments
from shared.postgres.session import BEGIN_SESSION, require_session
from shared.postgres.terminate import answered_within

AWAY = (
    psycopg.OperationalError,
    psycopg.InterfaceError,
    psycopg.errors.ReadOnlySqlTransaction,
    psycopg.errors.IdleInTransactionSessionTimeout,
)
"""What the driver raises of a lost connection, or of a server that does not serve now."""


@asynccontextmanager
async def connected(
    url: str, *, autocommit: bool = False, limits: PostgresLimits = POSTGRES_LIMITS
) -> AsyncIterator[psycopg.AsyncConnection]:
    """
    Open a connection that is closed at the end, whatever happens; what was not committed is gone with it.

    JSON comes as bytes, which msgspec reads straight into its types. psycopg's own block asks for COMMIT or ROLLBACK
    first, and leaves the connection open where that fails or is cancelled.

    :raises Unavailable: there is no connection to be had.
    :raises Unsound: nothing can be built on it.
    """
    with reachable():
        connection = await psycopg.AsyncConnection.connect(autocommit=True, **connect_arguments(url, limits=limits))
    try:
        with reachable(), answered_within(connection, seconds=limits.answer_seconds):
            answer = await (await connection.execute(BEGIN_SESSION)).fetchone()
            await asyncio.to_thread(require_session, answer or (), connection.info.backend_pid, url)
        await connection.set_autocommit(autocommit)
        connection.adapters.register_loader("json", _RawJson)
        yield connection
    finally:
        await connection.close()


@contextmanager
def reachable() -> Iterator[None]:
    """:raises Unavailable: the driver says that the connection is lost, or that the server is away or read-only."""
    try:
        yield
    except AWAY as error:
        raise Unavailable(str(error).strip()) from error


class _RawJson(Loader):
    def load(self, data: Buffer) -> bytes:
        return bytes(data)
