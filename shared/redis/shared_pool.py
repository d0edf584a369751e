"""A pool of connections that makes one at a time: many who come at once make do with those that come back."""

import asyncio
from collections import deque
from typing import Any

from redis.asyncio import ConnectionPool
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import ConnectionError as ConnectionLost


class SharedPool(ConnectionPool):
    """
    Makes another connection while anybody waits for one, and lends what comes back meanwhile.

    Hundreds that are made at once take so long that none is made in time, and all are made again. Nobody depends on
    what others give back: the next one is under way. Where it cannot be made, that is an error of all who wait.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._making: asyncio.Task[None] | None = None

    async def get_connection(self, *_: Any, **__: Any) -> AbstractConnection:
        """
        Return a connection that was idle, came back or was made.

        :raises RedisError: none can be made.
        """
        while not self._available_connections:
            await self._one_more()
        connection = self._available_connections.pop()
        self._in_use_connections.add(connection)
        try:
            await self.ensure_connection(connection)
        except BaseException:
            await self.release(connection)
            raise
        return connection

    async def release(self, connection: AbstractConnection) -> None:
        """Take a connection back; one that was lost is not lent again."""
        await super().release(connection)
        if connection.is_connected:
            self._wake_one()
        elif connection in self._available_connections:
            self._available_connections.remove(connection)

    async def aclose(self) -> None:
        if self._making is not None:
            self._making.cancel()
            await asyncio.wait([self._making])
            self._end_making(ConnectionLost("the connections were closed"))
        await super().aclose()

    async def _one_more(self) -> None:
        waiter = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        if self._making is None:
            self._making = asyncio.create_task(self._make(), name="connections to Redis")
        await waiter

    async def _make(self) -> None:
        """Make one after the other, as long as anybody waits."""
        try:
            while self._is_wanted():
                self._available_connections.append(await self._made())
                self._wake_one()
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
            self._waiting.popleft().set_exception(type(trouble)(*trouble.args))

    def _wake_one(self) -> None:
        if self._is_wanted():
            self._waiting.popleft().set_result(None)

    def _is_wanted(self) -> bool:
        """Whether anybody waits who has not been cancelled."""
        while self._waiting and self._waiting[0].done():
            self._waiting.popleft()
        return bool(self._waiting)
