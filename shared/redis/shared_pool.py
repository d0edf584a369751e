"""A pool of connections that makes one at a time: many who come at once make do with those that come back."""

import asyncio
from collections import deque
from contextlib import suppress
from typing import Any

from redis.asyncio import ConnectionPool
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import ConnectionError as ConnectionLost

CLOSED = "the connections were closed"


class SharedPool(ConnectionPool):
    """
    Makes another connection while anybody waits for one, and lends what comes back meanwhile.

    Hundreds that are made at once take so long that none is made in time, and all are made again. Nobody depends on
    what others give back: the next one is under way. Where it cannot be made, that is an error of all who wait.

    No number limits it: a walk that holds a connection may need a second one, and all could wait for one another.
    """

    def __init__(self, **options: Any) -> None:
        """:raises ValueError: there is to be a limit."""
        if "max_connections" in options:
            raise ValueError("max_connections: as many connections are made as are used at once; leave it out")
        super().__init__(**options)
        self._is_closed = False
        self._waiting: deque[asyncio.Future[AbstractConnection]] = deque()
        self._making: asyncio.Task[None] | None = None

    async def get_connection(self, *_: Any, **__: Any) -> AbstractConnection:
        """
        Return a connection that was idle, came back or was made.

        :raises RedisError: none can be made, or all were closed.
        """
        if self._is_closed:
            raise ConnectionLost(CLOSED)
        while self._available_connections:
            with suppress(ConnectionLost):  # all that were idle are lost with their server
                return await self._sound(self._lent(self._available_connections.pop()))
        return await self._sound(await self._next())

    async def release(self, connection: AbstractConnection) -> None:
        """Take a connection back; one that was lost is not lent again."""
        self._in_use_connections.remove(connection)
        if connection.is_connected and not connection.should_reconnect():  # type: ignore[no-untyped-call]  # redis-py leaves it so
            self._hand_on(connection)
        else:
            await connection.disconnect(nowait=True)

    async def close_idle(self) -> None:
        """Close what is not lent."""
        while self._available_connections:
            await self._available_connections.pop().disconnect(nowait=True)

    async def aclose(self) -> None:
        """Close all, for good."""
        self._is_closed = True
        if self._making is not None:
            self._making.cancel()
            await asyncio.wait([self._making])
            self._end_making(ConnectionLost(CLOSED))
        await super().aclose()

    async def _next(self) -> AbstractConnection:
        waiter: asyncio.Future[AbstractConnection] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        if self._making is None:
            self._making = asyncio.create_task(self._make(), name="connections to Redis")
        try:
            return await waiter
        except asyncio.CancelledError:
            if not waiter.cancelled() and waiter.exception() is None:  # it was lent one in the same moment
                await self.release(waiter.result())
            raise

    async def _sound(self, connection: AbstractConnection) -> AbstractConnection:
        """
        Return a connection on which nothing was left by who had it.

        :raises ConnectionError: it was lost, or there is something that nobody has read.
        """
        if not await _is_sound(connection):
            await connection.disconnect(nowait=True)
            await self.release(connection)
            raise ConnectionLost("the connection was lost, or something was left on it")
        return connection

    async def _make(self) -> None:
        """Make one after the other, as long as anybody waits."""
        try:
            while self._is_wanted():
                self._hand_on(await self._made())
            self._making = None
        except Exception as error:  # noqa: BLE001 - each of those who wait raises it
            self._end_making(error)

    async def _made(self) -> AbstractConnection:
        connection: AbstractConnection = self.make_connection()  # type: ignore[no-untyped-call]  # redis-py leaves it so
        try:
            await connection.connect()  # type: ignore[no-untyped-call]
        except BaseException:
            await connection.disconnect(nowait=True)
            raise
        return connection

    def _end_making(self, trouble: Exception) -> None:
        self._making = None
        while self._is_wanted():
            self._waiting.popleft().set_exception(_like(trouble))

    def _hand_on(self, connection: AbstractConnection) -> None:
        """Lend it to the first who waits, before any who come later."""
        if self._is_wanted():
            self._waiting.popleft().set_result(self._lent(connection))
        else:
            self._available_connections.append(connection)

    def _lent(self, connection: AbstractConnection) -> AbstractConnection:
        self._in_use_connections.add(connection)
        return connection

    def _is_wanted(self) -> bool:
        """Whether anybody waits who has not been cancelled."""
        while self._waiting and self._waiting[0].done():
            self._waiting.popleft()
        return bool(self._waiting)


async def _is_sound(connection: AbstractConnection) -> bool:
    with suppress(ConnectionLost):
        return not (connection.should_reconnect() or await connection.can_read())  # type: ignore[no-untyped-call]  # redis-py leaves it so
    return False


def _like(trouble: Exception) -> Exception:
    """Return an error of one's own that says the same, whatever the constructor of its class wants."""
    own = type(trouble).__new__(type(trouble), *trouble.args)
    vars(own).update(vars(trouble))
    return own
