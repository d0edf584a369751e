"""The one place where transactions of the write side begin and end."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import msgspec
import psycopg
from sqlalchemy import event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.util import await_only

from shared.errors import Unavailable
from shared.event_log import EventLogUnsound
from shared.event_log.preconditions import NO_EVENT_LOG, PRECONDITIONS, require_all
from shared.postgres.arguments import POSTGRES_LIMITS, PostgresLimits, connect_arguments
from shared.postgres.kept_session import KeptSession
from shared.postgres.pipeline import Pipeline, Row, Statement
from shared.postgres.session import BEGIN_SESSION, require_session
from shared.postgres.terminate import answered_within, terminate
from shared.runtime.cancellation import to_the_end
from write_side.adapters.postgres.connections.failures import is_certain, translated
from write_side.domain.errors import OutcomeUnknown


@dataclass(frozen=True, slots=True, kw_only=True)
class TransactionLimits:
    """
    How many transactions run at once, and for how long.

    :param connections: for transactions of single commands.
    :param lanes: connections for transactions that commands share: while one waits for the disk, the next is under way.
    :param most: commands that share a transaction.
    :param lock_seconds: for which their writes wait for another transaction, which takes the same unique value, and
        NOTIFY for one that holds its lock.
    :param pool_seconds: for which a transaction waits for its connection.
    :param seconds: of a transaction, after which its connection is terminated: a server that hangs counts as lost.
    :param idle_seconds: after which the server ends a transaction whose process says nothing any more.
    """

    connections: int = 10
    lanes: int = 2
    most: int = 64
    lock_seconds: float = 0.1
    pool_seconds: float = 5.0
    seconds: float = 5.0
    idle_seconds: int = 10


TRANSACTION_LIMITS = TransactionLimits()

_BEGIN: Statement = ("BEGIN", ())
_COMMIT: Statement = ("COMMIT", ())

# Every statement here finds few rows by their keys, but the planner takes a JSON parameter for a hundred: up to some
# ten thousand people it would rather read whole tables for them. And one plan a statement serves all parameters.
_BY_INDEX = """
    select set_config(name, 'off', false) from (values ('enable_hashjoin'), ('enable_mergejoin'), ('enable_seqscan'))
        as each (name)
    union all select set_config('plan_cache_mode', 'force_generic_plan', false)"""

_encode = msgspec.json.Encoder(enc_hook=str).encode


def _as_json(value: Any) -> str:
    return _encode(value).decode()


def create_engine(
    url: str,
    *,
    allow_unsafe: bool = False,
    limits: TransactionLimits = TRANSACTION_LIMITS,
    postgres: PostgresLimits = POSTGRES_LIMITS,
) -> AsyncEngine:
    """
    Make connections to the primary, each checked for what the event log relies on before it is used.

    :param url: `postgresql://…`; several hosts are allowed.
    :param allow_unsafe: accept a server without `fsync`, as tests use it.
    """
    engine = create_async_engine(
        "postgresql+psycopg://",
        connect_args=connect_arguments(url, limits=postgres),
        pool_size=limits.connections + limits.lanes,
        max_overflow=0,
        pool_timeout=limits.pool_seconds,
        isolation_level="READ COMMITTED",
        hide_parameters=True,
        json_serializer=_as_json,
    )

    @event.listens_for(engine.sync_engine, "connect")
    def prepare(connection: Any, _: Any) -> None:
        try:
            _prepare(connection, url, limits, allow_unsafe=allow_unsafe)
        except BaseException:
            connection.close()
            raise

    return engine


def _prepare(connection: Any, url: str, limits: TransactionLimits, *, allow_unsafe: bool) -> None:
    cursor = connection.cursor()
    cursor.execute(BEGIN_SESSION)
    process = connection.driver_connection.info.backend_pid
    await_only(asyncio.to_thread(require_session, cursor.fetchone(), process, url))
    cursor.execute(f"set idle_in_transaction_session_timeout = '{limits.idle_seconds}s'")
    cursor.execute(_BY_INDEX)
    try:
        cursor.execute(PRECONDITIONS)
    except psycopg.errors.UndefinedTable:
        raise EventLogUnsound(NO_EVENT_LOG) from None
    row = cursor.fetchone()
    cursor.close()
    connection.commit()
    require_all(row, allow_unsafe=allow_unsafe)


class PostgresTransactions:
    """Begins, commits and rolls back; nothing else does."""

    def __init__(self, engine: AsyncEngine, *, limits: TransactionLimits = TRANSACTION_LIMITS) -> None:
        self._engine = engine
        self._seconds = limits.seconds
        self._pool_seconds = limits.pool_seconds
        self._lock_timeout: Statement = (f"set lock_timeout = '{limits.lock_seconds * 1000:.0f}ms'", ())
        self._places = asyncio.Semaphore(limits.connections)
        self._pipelines: list[KeptSession[Pipeline]] = []
        """Those that no transaction has. Each keeps its connection: the pool would take long over a lone command."""

    @asynccontextmanager
    async def pipelined(self) -> AsyncIterator["PipelinedTransaction"]:
        """Open a transaction that is rolled back unless it commits, and whose statements go in batches."""
        kept = self._pipelines.pop() if self._pipelines else KeptSession(self._pipeline)
        try:
            async with kept.lent() as pipeline:
                with answered_within(pipeline.connection, seconds=self._seconds):
                    yield (transaction := PipelinedTransaction(pipeline))
                    if not transaction.is_stored:
                        await pipeline.roll_back()
        finally:
            self._pipelines.append(kept)

    @asynccontextmanager
    async def _pipeline(self) -> AsyncIterator[Pipeline]:
        """Take a connection out of the pool, for good: nothing waits on it for long."""
        with translated():
            connection = await self._engine.connect()
        line: Any = (await connection.get_raw_connection()).driver_connection
        pipeline = Pipeline(line, prepared=set())
        try:
            with translated():
                await pipeline.carry_out(self._lock_timeout)
            yield pipeline
        finally:
            await connection.invalidate()
            await connection.close()

    async def close(self) -> None:
        """Close all connections."""
        for kept in self._pipelines:
            await kept.aclose()
        await self._engine.dispose()

    async def open(self) -> AsyncSession:
        """Open a session on a connection that is terminated if the transaction has not ended in time."""
        await self._take_place()
        session = AsyncSession(self._engine, autoflush=False, expire_on_commit=False)
        try:
            with translated():
                connection = await (await session.connection()).get_raw_connection()
        except BaseException:
            try:
                await session.close()
            finally:
                self._places.release()
            raise
        line: Any = connection.driver_connection
        session.info["deadline"] = asyncio.get_running_loop().call_later(self._seconds, terminate, line)
        return session

    async def commit(self, session: AsyncSession) -> None:
        """:raises OutcomeUnknown: the answer to COMMIT was lost."""
        try:
            # Were it cancelled, psycopg would have the server wait for its standby no longer: what is stored would be
            # shown, and answered under its key, although a failover loses it.
            await to_the_end(_committed(session))
        except DBAPIError as error:
            if not is_certain(error):
                raise OutcomeUnknown(type(error.orig).__name__) from error
            with translated():
                raise

    async def end(self, session: AsyncSession) -> None:
        """Roll back what is not committed and give the connection back."""
        try:
            with translated():
                await session.close()
        finally:
            session.info["deadline"].cancel()
            self._places.release()

    async def _take_place(self) -> None:
        """Wait for one of the connections that are not kept for groups."""
        try:
            async with asyncio.timeout(self._pool_seconds):
                await self._places.acquire()
        except TimeoutError:
            raise Unavailable("all connections to the database are busy") from None


async def _committed(session: AsyncSession) -> None:
    await session.commit()
    session.info["deadline"].cancel()  # from here on the connection may be another session's


class PipelinedTransaction:
    """A transaction whose statements are sent in batches: one round trip a batch, whatever the number of statements."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self._ahead = [_BEGIN]
        self.is_stored = False

    async def trip(self, *statements: Statement) -> Sequence[Sequence[Row]]:
        """Send statements together; return the rows of each."""
        ahead, self._ahead = self._ahead, []
        with translated():
            return (await self._pipeline.carry_out(*ahead, *statements))[len(ahead) :]

    async def store(
        self,
        *statements: Statement,
        claims: Sequence[Statement] = (),
        keys: int = 0,
        hints: Sequence[Statement] = (),
    ) -> Sequence[Sequence[Row]]:
        """
        Send statements and COMMIT together, and return their rows; what divides by zero has none, nor is it committed.

        Then the transaction goes on behind ROLLBACK TO SAVEPOINT, as it does where a key is not claimed.

        :param statements: the last one, which decides, goes with COMMIT.
        :param claims: statements that claim keys; their rows come first. While the others are carried out, COMMIT
            follows once all keys are claimed: what asks by a key whether a lost COMMIT took effect waits for its
            holder, and finds nothing that another one did before.
        :param keys: how many are to be claimed: as many rows.
        :param hints: carried out behind COMMIT, and not waited for. NOTIFY is a transaction of its own: it takes a lock
            that would make all commits of the cluster queue.
        :raises OutcomeUnknown: the answer to COMMIT was lost.
        """
        claimed: Sequence[Sequence[Row]] = ()
        behind = statements
        if claims:
            ahead, self._ahead = self._ahead, []
            with translated():
                claimed = (await self._pipeline.begin(*ahead, *claims, more=statements[:-1]))[len(ahead) :]
            if sum(map(len, claimed)) < keys:
                return claimed
            behind = statements[-1:]
        try:
            rows, error = await self._pipeline.attempt(*behind, _COMMIT, hints=hints)
        except psycopg.Error as lost:
            raise OutcomeUnknown(type(lost).__name__) from lost
        if error is None:
            self.is_stored = True
            return [*claimed, *rows[:-1]]
        if isinstance(error, psycopg.errors.DivisionByZero):
            return [*claimed, *rows]
        if not is_certain(error, at_commit=len(rows) == len(statements)):
            raise OutcomeUnknown(type(error).__name__) from error
        with translated():
            raise error
