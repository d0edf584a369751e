"""
Batches of statements on a connection of psycopg: sent as one, and awaited as one.

Psycopg's own pipeline makes a cursor and looks at the socket for each statement, and the server begins with the first
before it has the second: a lone command would take half as long again. And its wait, which looks around ten times a
second, takes twice as much of the processor.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from functools import cache
from hashlib import sha256
from itertools import count, zip_longest
from typing import Any

import psycopg
from psycopg.adapt import PyFormat, Transformer
from psycopg.errors import error_from_result
from psycopg.pq import ConnStatus, ExecStatus, PipelineStatus, TransactionStatus
from psycopg.pq.abc import PGconn, PGresult

Row = Sequence[Any]
Statement = tuple[str, Sequence[Any]]
"""SQL with a `%s` for each parameter, and the parameters."""
Attempt = tuple[Sequence[Sequence[Row]], psycopg.Error | None]
"""The rows of each statement before the first that failed, and its error."""


class Pipeline:
    """Has batches carried out one after the other; those of several tasks wait for each other."""

    def __init__(self, connection: psycopg.AsyncConnection, *, prepared: set[bytes]) -> None:
        """:param prepared: names of what the server has prepared on this connection: it belongs to that."""
        self.connection = connection
        self._pgconn = connection.pgconn
        self._prepared = prepared
        self._transformer = Transformer(connection)
        self._begun: list[bytes | None] | None = None
        """What `begin` has sent besides, as `_send` says, until `attempt` receives it."""
        self._hinted: list[bytes | None] | None = None
        """The same of the hints of a batch whose end was not received yet."""
        self.turn = asyncio.Lock()
        """Held by who alone takes what comes on the connection."""

    async def carry_out(self, *statements: Statement) -> Sequence[Sequence[Row]]:
        """
        Carry out statements, and return the rows of each.

        What `begin` has sent besides is passed over, and may have failed: then the first of them has to undo it.

        :raises psycopg.Error: of the first that failed; none behind it was carried out.
        """
        _, (rows, error) = await self._attempted(statements)
        if error is not None:
            raise error
        return rows

    async def begin(self, *statements: Statement, more: Sequence[Statement]) -> Sequence[Sequence[Row]]:
        """
        Carry out statements, and return the rows of each, while further ones of the same batch are carried out.

        That batch ends here: a transaction that idles behind it is one whose end the server can time, which it does not
        do in the middle of a batch.

        :param more: the rows of these come first of what `attempt` returns.
        :raises psycopg.Error: of the first that failed; nothing is carried out any more on this connection.
        """
        async with self._in_turn():
            sent = self._sent(statements)
            self._pgconn.send_flush_request()
            self._begun = self._sent(more)
            self._pgconn.pipeline_sync()
            rows, error = self._outcome(sent, await _received(self._pgconn, most=len(sent)))
            if error is not None:
                raise error
            return rows

    async def attempt(self, *statements: Statement, hints: Sequence[Statement] = ()) -> Attempt:
        """
        Carry out statements; return the rows of those before the first that failed, and its error.

        Where something has failed that `begin` sent, these are carried out too: the first of them must be one that a
        failed transaction refuses, as it does all but its end and what undoes it to a savepoint.

        :param hints: carried out behind them; nobody waits for them, or hears of it if they fail.
        :raises psycopg.Error: the connection is lost.
        """
        (begun, failed), (rows, error) = await self._attempted(statements, hints)
        return [*begun, *rows], failed or error

    async def _attempted(
        self, statements: Sequence[Statement], hints: Sequence[Statement] = ()
    ) -> tuple[Attempt, Attempt]:
        """Return first what became of what `begin` has sent besides."""
        async with self._in_turn():
            sent = self._sent(statements)
            if hints:
                self._pgconn.send_flush_request()
            self._hinted = self._sent(hints)
            self._pgconn.pipeline_sync()
            begun = await self._received_of_begun()
            rows, error = self._outcome(sent, await _received(self._pgconn, most=len(sent)))
            if not hints:
                error = await self._catch_up() or error
            return begun, (rows, error)

    async def _received_of_begun(self) -> Attempt:
        begun, self._begun = self._begun, None
        return ([], None) if begun is None else self._outcome(begun, await _received(self._pgconn))

    @asynccontextmanager
    async def _in_turn(self) -> AsyncIterator[None]:
        """Go on with a batch, or begin one; the connection is closed if nobody can know what comes on it."""
        async with self.turn:
            try:
                await self._catch_up()
                if self._pgconn.pipeline_status == PipelineStatus.OFF:
                    self._pgconn.enter_pipeline_mode()
                yield
            except BaseException:
                await self.connection.close()
                raise

    def _outcome(self, sent: Sequence[bytes | None], results: Sequence[PGresult]) -> Attempt:
        rows, error = [], None
        for name, result in zip_longest(sent, results):  # the end of a batch has a result only if it fails
            if result.status not in _DONE:
                self._prepared.discard(name or b"")
                error = error or error_from_result(result)
            elif name is None:
                rows.append(self._rows(result))
        return rows, error

    async def roll_back(self) -> None:
        """Undo what is not committed, once nothing is under way any more."""
        await self._catch_up()
        if self._pgconn.transaction_status != TransactionStatus.IDLE:
            await self.connection.rollback()

    async def _catch_up(self) -> psycopg.Error | None:
        """Receive what is left of a batch; return the error of what was left, or of its end."""
        if self._hinted is None:
            return None
        _, error = self._outcome(self._hinted, await _received(self._pgconn))
        self._pgconn.exit_pipeline_mode()
        self._hinted = None
        return error

    def _sent(self, statements: Sequence[Statement]) -> list[bytes | None]:
        return [each for sql, parameters in statements for each in self._send(sql, parameters)]

    def _send(self, sql: str, parameters: Sequence[object]) -> Iterator[bytes | None]:
        """Send a statement; yield for each result to come what it prepares, None if it has the rows."""
        if not parameters:
            self._pgconn.send_query_params(sql.encode(), None)
        else:
            values = self._transformer.dump_sequence(parameters, [PyFormat.TEXT] * len(parameters))
            types = self._transformer.types or ()
            name, numbered = _named(sql, types)
            if name not in self._prepared:
                self._prepared.add(name)
                self._pgconn.send_prepare(name, numbered, types)
                yield name
            self._pgconn.send_query_prepared(name, values)
        yield None

    def _rows(self, result: PGresult) -> Sequence[Row]:
        if not result.nfields:
            return ()
        self._transformer.set_pgresult(result)
        return self._transformer.load_rows(0, result.ntuples, tuple)


_DONE = (ExecStatus.COMMAND_OK, ExecStatus.TUPLES_OK)


async def _received(pgconn: PGconn, *, most: int | None = None) -> list[PGresult]:
    """Send what libpq holds, and receive so many results, or those up to the end of the batch."""
    while pgconn.flush():
        await _ready(pgconn.socket, also_to_write=True)  # else both sides might wait until the other one reads
        pgconn.consume_input()
    results: list[PGresult] = []
    while len(results) != most:
        while pgconn.is_busy():
            await _ready(pgconn.socket)
            pgconn.consume_input()
        result = pgconn.get_result()
        if result is None:  # between statements
            if pgconn.status != ConnStatus.OK:
                raise psycopg.OperationalError("the connection is lost")
        elif result.status == ExecStatus.PIPELINE_SYNC:
            break
        else:
            results.append(result)
    return results


async def _ready(file: int, *, also_to_write: bool = False) -> None:
    """Wait until a socket can be read from, or written to if that is wanted as well."""
    loop = asyncio.get_running_loop()
    ready = loop.create_future()
    loop.add_reader(file, _wake, ready)
    if also_to_write:
        loop.add_writer(file, _wake, ready)
    try:
        await ready
    finally:
        loop.remove_reader(file)
        if also_to_write:
            loop.remove_writer(file)


def _wake(ready: asyncio.Future[None]) -> None:
    if not ready.done():
        ready.set_result(None)


@cache  # there are as many statements as there are kinds of rows and ways to look for them, and as sizes of numbers
def _named(sql: str, types: Sequence[int]) -> tuple[bytes, bytes]:
    """
    Return the name under which a statement is prepared, and its text with numbered parameters.

    :param types: of the parameters: psycopg takes the smallest that a number fits in, which holds no larger one.
    """
    numbers = count(1)
    numbered = re.sub("%s", lambda _: f"${next(numbers)}", sql).encode()
    return sha256(numbered + repr(types).encode()).hexdigest()[:32].encode(), numbered
