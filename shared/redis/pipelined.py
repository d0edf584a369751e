"""One connection to Redis, on which commands travel together: a commit is a few trips, however many commands it has."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

import hiredis
from redis.asyncio import Redis
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import ConnectionError as ConnectionLost
from redis.exceptions import TimeoutError as TimedOut
from redis.exceptions import WatchError

Command: TypeAlias = Sequence[str | bytes | int]


class Exchange:
    """Sends nothing twice, and nothing on another connection than the one that watches."""

    def __init__(self, connection: AbstractConnection) -> None:
        self._connection = connection

    async def ask(self, *commands: Command) -> list[Any]:
        """
        Send commands in one go, and return their replies.

        :raises ResponseError: the first of them that was refused.
        """
        if not self._connection.is_connected:  # it would connect anew, and watch nothing
            raise ConnectionLost("the connection was lost")
        await self._connection.send_packed_command(list(map(_packed, commands)), check_health=False)
        return [await self._connection.read_response() for _ in commands]

    async def transact(self, *commands: Command) -> list[Any]:
        """
        Execute commands in one transaction, and return their replies; one that failed has its error there.

        :raises WatchError: what is watched was changed and nothing was executed, or nobody knows whether it was.
        """
        try:
            *_, replies = await self.ask(("MULTI",), *commands, ("EXEC",))
        except (ConnectionLost, TimedOut, OSError) as error:
            raise WatchError(f"the connection was lost in a transaction: {type(error).__name__}") from error
        if replies is None:
            raise WatchError("something else was written")
        return list(replies)


@asynccontextmanager
async def exchange(client: Redis) -> AsyncIterator[Exchange]:
    """
    A connection to oneself, until a transaction ends what it watches.

    Left by an error it is closed: nobody else shall find on it what was watched, or replies that nobody has read.
    """
    pool = client.connection_pool
    connection: AbstractConnection = await pool.get_connection()  # type: ignore[no-untyped-call]  # redis-py leaves it so
    try:
        yield Exchange(connection)
    except BaseException:
        await connection.disconnect(nowait=True)
        raise
    finally:
        await pool.release(connection)


def _packed(command: Command) -> bytes:
    packed: bytes = hiredis.pack_command(tuple(command))  # type: ignore[arg-type] # its stub knows fewer types
    return packed
