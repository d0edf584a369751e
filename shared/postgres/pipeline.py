"""
Batches of statements on a connection of psycopg: sent as one, and awaited as one.

Psycopg's own pipeline makes a cursor and looks at the socket for each statement, and the server begins with the first
before it has the second: a lone command would take half as long again. And its wait, which looks around ten times a
second, takes twice as much of the processor.
"""

import asyncio
import re
from collections.abc import Iterator, Sequence
from functools import cache
from hashlib import sha256
from itertools import count
from typing import Any

import psycopg
from psycopg.adapt import PyFormat, Transformer
from psycopg.errors import error_from_result
from psycopg.pq import ConnStatus, ExecStatus, TransactionStatus
from psycopg.pq.abc import PGconn, PGresult

Row = Sequence[Any]
Statement = tuple[str, Sequence[Any]]
"""SQL with a `%s` for each parameter, and the parameters."""


class Pipeline:
    """Has batches carried out one after the other; those of several tasks wait for each other."""

    def __init__(self, connection: psycopg.AsyncConnection, *, prepared: set[bytes]) -> None:
        """:param prepared: names of what the server has prepared on this connection: it belongs to that."""
        self.connection = connection
        self._pgconn = connection.pgconn
        self._prepared = prepared
        self._transformer = Transformer(connection)
        self.turn = asyncio.Lock()
        """Held by who alone takes what comes on the connection."""

    async def carry_out(self, *statements: Statement, hint: str = "") -> Sequence[Sequence[Row]]:
        """
        Carry out statements, and return the rows of each.

        :param hint: SQL that is carried out behind them, and may fail.
        :raises psycopg.Error: of the first that failed; none behind it was carried out.
        """
        async with self.turn:
            return await self._carried_out(statements, hint)

    async def _carried_out(self, statements: Sequence[Statement], hint: str) -> Sequence[Sequence[Row]]:
        self._pgconn.enter_pipeline_mode()
        try:
            preparing = [each for sql, parameters in statements for each in self._send(sql, parameters)]
            if hint:
                self._pgconn.send_query_params(hint.encode(), None)
            self._pgconn.pipeline_sync()
            results = await _received(self._pgconn)
        finally:
            await self._leave_pipeline_mode()
        if hint:
            del results[len(preparing) :]
        return self._rows_of(list(zip(preparing, results, strict=True)))

    def _rows_of(self, answered: Sequence[tuple[bytes | None, PGresult]]) -> Sequence[Sequence[Row]]:
        """:param answered: each result with what it prepares, None if it has the rows of a statement."""
        self._prepared.difference_update(name for name, result in answered if name and result.status not in _DONE)
        for _, result in answered:
            if result.status == ExecStatus.FATAL_ERROR:
                raise error_from_result(result)
        return [self._rows(result) for name, result in answered if name is None]

    async def roll_back(self) -> None:
        """Undo what is not committed."""
        if self._pgconn.transaction_status != TransactionStatus.IDLE:
            await self.connection.rollback()

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

    async def _leave_pipeline_mode(self) -> None:
        try:
            if self._pgconn.status == ConnStatus.OK:
                self._pgconn.exit_pipeline_mode()
        except psycopg.OperationalError:  # it was cancelled, and results are left
            await self.connection.close()


_DONE = (ExecStatus.COMMAND_OK, ExecStatus.TUPLES_OK)


async def _received(pgconn: PGconn) -> list[PGresult]:
    """Send what libpq holds, and receive the results up to the end of the batch."""
    while pgconn.flush():
        await _ready(pgconn.socket, also_to_write=True)  # else both sides might wait until the other one reads
        pgconn.consume_input()
    results: list[PGresult] = []
    while True:
        while pgconn.is_busy():
            await _ready(pgconn.socket)
            pgconn.consume_input()
        result = pgconn.get_result()
        if result is None:  # between statements
            if pgconn.status != ConnStatus.OK:
                raise psycopg.OperationalError("the connection is lost")
        elif result.status == ExecStatus.PIPELINE_SYNC:
            return results
        else:
            results.append(result)


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
