"""The one place where transactions of the write side begin and end."""

import asyncio
from typing import Any

import msgspec
import psycopg
from sqlalchemy import event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine

from shared.event_log import EventLogUnsound
from shared.event_log.adapters.postgres import connect_args, hang_up
from shared.event_log.preconditions import SOUNDNESS, violations
from write_side.adapters.postgres.failures import is_certain, translated
from write_side.adapters.postgres.mapping import map_aggregates
from write_side.domain.errors import OutcomeUnknown
from write_side.domain.values import plain

CONNECTIONS = 10
POOL_WAIT_SECONDS = 5.0

TRANSACTION_SECONDS = 5.0
"""Then a server that hangs (a frozen process, a dead disk) counts as lost, although its kernel answers keepalives."""

# The outcome of a command is durable when it is told: a laxer default of the server is overruled, a stricter one kept.
_PREPARE = """
    select set_config('idle_in_transaction_session_timeout', '10s', false),
           case when current_setting('synchronous_commit') in ('off', 'local', 'remote_write')
                then set_config('synchronous_commit', 'on', false) end"""

_encode = msgspec.json.Encoder(enc_hook=plain).encode


def _as_json(value: Any) -> str:
    return _encode(value).decode()


def create_engine(url: str, *, allow_unsafe: bool = False) -> AsyncEngine:
    """
    Connections to the primary, each checked for what the event log relies on before it is used.

    :param url: `postgresql://…`; several hosts are allowed.
    :param allow_unsafe: accept a server without `fsync`, as tests use it.
    """
    engine = create_async_engine(
        "postgresql+psycopg://",
        connect_args=connect_args(url),
        pool_size=CONNECTIONS,
        max_overflow=0,
        pool_timeout=POOL_WAIT_SECONDS,
        isolation_level="READ COMMITTED",
        hide_parameters=True,
        json_serializer=_as_json,
    )

    @event.listens_for(engine.sync_engine, "connect")
    def prepare(connection: Any, _record: object) -> None:
        cursor = connection.cursor()
        cursor.execute(_PREPARE)
        try:
            cursor.execute(SOUNDNESS)
        except psycopg.errors.UndefinedTable:
            raise EventLogUnsound("the database has no event log: run `muster migrate`") from None
        broken = violations(cursor.fetchone(), allow_unsafe=allow_unsafe)
        cursor.close()
        connection.commit()
        if broken:
            raise EventLogUnsound(broken)

    map_aggregates()
    return engine


class PostgresTransactions:
    """Begins, commits and rolls back; nobody else does, so that one transaction may serve several commands later."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def open(self) -> AsyncSession:
        """A session on a connection that is hung up if the transaction has not ended in time."""
        session = AsyncSession(self._engine, autoflush=False, expire_on_commit=False)
        try:
            with translated():
                connection = await (await session.connection()).get_raw_connection()
        except BaseException:
            await session.close()
            raise
        line: Any = connection.driver_connection
        session.info["deadline"] = asyncio.get_running_loop().call_later(TRANSACTION_SECONDS, hang_up, line)
        return session

    async def commit(self, session: AsyncSession) -> None:
        """:raises OutcomeUnknown: the answer to COMMIT was lost."""
        try:
            await session.commit()
        except DBAPIError as error:
            if not is_certain(error):
                raise OutcomeUnknown(type(error.orig).__name__) from error
            with translated():
                raise
        session.info["deadline"].cancel()  # the connection may be another session's by now

    async def end(self, session: AsyncSession) -> None:
        """Roll back what is not committed and give the connection back."""
        try:
            with translated():
                await session.close()
        finally:
            session.info["deadline"].cancel()
