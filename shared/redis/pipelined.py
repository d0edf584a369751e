"""A connection to Redis on which commands travel together: a commit is a few round trips, however many its commands."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

import hiredis
from redis.asyncio import Redis
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import ConnectionError as ConnectionLost
from redis.exceptions import TimeoutError as TimedOut
from redis.exceptions import WatchError

from shared.redis.masters import MasterConnection
from shared.redis.replies import Replies, take_over

Command: TypeAlias = Sequence[str | bytes | int]


class PipelinedConnection:
    """
    Sends commands in one go, and returns their replies as bytes.

    After an error it has to be disconnected before it is used again: there may be replies that were not read.

    :param timeout: of one exchange, in seconds; None where the connection limits each reply.
    """

    def __init__(self, connection: AbstractConnection, *, timeout: float | None = None) -> None:
        self._connection = connection
        self._timeout = timeout
        self._replies: Replies | None = None

    @property
    def is_outdated(self) -> bool:
        """Whether it leads to a master that was replaced."""
        return bool(self._connection.should_reconnect())  # type: ignore[no-untyped-call]  # redis-py leaves it so

    @property
    def publish(self) -> str:
        """The command that publishes."""
        return "SPUBLISH" if self._is_sharded else "PUBLISH"

    @property
    def subscribe(self) -> str:
        """The command by which one hears what is published."""
        return "SSUBSCRIBE" if self._is_sharded else "SUBSCRIBE"

    @property
    def _is_sharded(self) -> bool:
        return isinstance(self._connection, MasterConnection) and self._connection.locator.is_sharded

    async def execute(self, *commands: Command) -> list[Any]:
        """
        Send commands on the connection that is open, once: it may watch keys, which another one would not.

        :raises ResponseError: the first of them that was refused.
        """
        if not self._connection.is_connected:
            raise ConnectionLost("the connection was lost")
        if not commands:  # no reply would ever come
            return []
        return await self._exchange(b"".join(pack(*command) for command in commands), replies=len(commands))

    async def transact(self, *commands: Command) -> list[Any]:
        """
        Execute commands in one transaction, and return their replies; one that failed has its error there.

        :raises WatchError: what is watched was changed and nothing was executed, or it is not known whether it was.
        """
        try:
            *_, replies = await self.execute(("MULTI",), *commands, ("EXEC",))
        except (ConnectionLost, TimedOut, OSError) as error:
            raise WatchError(f"the connection was lost in a transaction: {type(error).__name__}") from error
        if replies is None:
            raise WatchError("something else was written")
        return list(replies)

    async def fetch(self, packed: bytes, *, replies: int) -> list[Any]:
        """
        Send packed commands that only read; once more on a fresh connection if this one turns out to be lost.

        :raises RedisError: the server cannot be reached, or refuses a command.
        :raises TimeoutError: it does not answer in time.
        """
        if self.is_outdated:
            await self.disconnect()
        if self._connection.is_connected:
            try:
                return await self._exchange(packed, replies=replies)
            except ConnectionLost:
                await self.disconnect()
        async with asyncio.timeout(self._timeout):
            await self._connection.connect_check_health(check_health=False)
        return await self._exchange(packed, replies=replies)

    async def send(self, *command: str | bytes | int) -> None:
        """Send one command, connecting first where that is due; `receive` returns what comes back."""
        await self._connection.send_packed_command(pack(*command), check_health=False)

    async def receive(self, *, timeout: float) -> Any:  # noqa: ASYNC109 - silence is an answer
        """Return the next reply or published message; None if there is none for so long, in seconds."""
        return await self._connection.read_response(timeout=timeout, disconnect_on_error=False)

    async def leave_replaced_master(self) -> None:
        """
        Have all connections of the same connector connect anew where another server took over.

        :raises RedisError: nobody names one.
        """
        if isinstance(self._connection, MasterConnection):
            await self._connection.locator.leave_replaced_master()

    async def disconnect(self) -> None:
        """Close it; it connects anew when it is next used."""
        self._replies = None
        await self._connection.disconnect(nowait=True)

    def give_back(self) -> None:
        """Let redis-py read from the connection again."""
        if self._replies is not None:
            self._replies.give_back()

    def _is_left(self) -> bool:
        """Whether another server took over from one that does not answer; it is looked whether one has."""
        if not self.is_outdated and isinstance(self._connection, MasterConnection):
            self._connection.locator.suspect()
        return self.is_outdated

    async def _exchange(self, packed: bytes, *, replies: int) -> list[Any]:
        if self._replies is None:
            self._replies = take_over(self._connection, is_left=self._is_left)
        if self._replies is None:
            await self._connection.send_packed_command(packed, check_health=False)
            return [await self._connection.read_response(disable_decoding=True) for _ in range(replies)]
        silence = self._connection.socket_timeout
        try:
            return await self._replies.exchange(packed, replies=replies, within=self._timeout, silence=silence)
        finally:
            if self._replies.is_lost:
                await self.disconnect()


@asynccontextmanager
async def pipelined(client: Redis) -> AsyncIterator[PipelinedConnection]:
    """
    Hold a connection of the client's pool alone, until a transaction ends what it watches.

    Left by an error it is closed: no other caller may find on it what was watched, or replies that were not read.
    """
    pool = client.connection_pool
    connection: AbstractConnection = await pool.get_connection()  # type: ignore[no-untyped-call]  # redis-py leaves it so
    held = PipelinedConnection(connection)
    try:
        yield held
        held.give_back()
    except BaseException:
        await connection.disconnect(nowait=True)
        raise
    finally:
        await pool.release(connection)


def pack(*words: str | bytes | int) -> bytes:
    """Put a command into Redis' protocol."""
    packed: bytes = hiredis.pack_command(words)  # type: ignore[arg-type] # its stub knows fewer types
    return packed


def pack_alike(command: bytes, key: bytes, words: Sequence[bytes], *, prefix: bytes = b"") -> bytes:
    """
    Put a command with hundreds of words of a kind into Redis' protocol, at half the cost.

    :param prefix: what each of the words begins with.
    """
    sizes = list(map(len, words))
    heads = {size: b"\r\n$%d\r\n%b" % (len(prefix) + size, prefix) for size in set(sizes)}
    begin = b"*%d\r\n$%d\r\n%b\r\n$%d\r\n%b" % (2 + len(words), len(command), command, len(key), key)
    if len(heads) == 1:
        head = heads[sizes[0]]
        return b"%b%b%b\r\n" % (begin, head, head.join(words))
    parts = [b""] * (2 * len(words))
    parts[::2], parts[1::2] = map(heads.__getitem__, sizes), words
    return b"%b%b\r\n" % (begin, b"".join(parts))
