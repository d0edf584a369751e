"""Connections to Redis as the read side uses them: raw, one exchange at a time, within its own time limits."""

import asyncio
from collections.abc import Callable
from typing import Any

import hiredis
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import ConnectionError as ConnectionLost

from shared.redis.sentinels import MasterConnection, connection_options

CONNECT_SECONDS = 1.0
EXCHANGE_SECONDS = 2.0

Connect = Callable[[], AbstractConnection]
"""Makes a connection, which connects when it is first used."""


def connector(url: str) -> Connect:
    """
    Make connections to the server that `url` names, or to the master that its sentinels name.

    Without redis-py's socket timeout, which costs a task for every command; without its repetitions, because only the
    caller knows what may be sent twice; in RESP2, where published messages come as ordinary replies.
    """
    options = connection_options(url)
    kind: type[AbstractConnection] = options.pop("connection_class")
    options |= {"protocol": 2, "socket_timeout": None, "socket_connect_timeout": CONNECT_SECONDS}
    return lambda: kind(**options)


def pack(*words: str | bytes) -> bytes:
    """Put a command into Redis' protocol."""
    packed: bytes = hiredis.pack_command(words)  # type: ignore[arg-type] # its stub knows commands of one word only
    return packed


def told(error: Exception) -> str:
    """What a log says of an error: redis-py's own representation leaves out what went wrong."""
    return f"{type(error).__name__}: {error}"


async def converse(connection: AbstractConnection, packed: bytes, *, replies: int) -> list[Any]:
    """
    Send packed commands that only read, and return their replies.

    If the connection turns out to be lost they are sent once more, on a fresh one.

    After an error the connection has to be disconnected before it is used again.

    :raises RedisError: the server cannot be reached, or refuses a command.
    :raises TimeoutError: it does not answer in time.
    """
    if is_outdated(connection):
        await connection.disconnect(nowait=True)
    was_connected = connection.is_connected
    async with asyncio.timeout(EXCHANGE_SECONDS):
        try:
            return await _send_and_read(connection, packed, replies)
        except ConnectionLost:
            if not was_connected:
                raise
        return await _send_and_read(connection, packed, replies)


def is_outdated(connection: AbstractConnection) -> bool:
    """Whether it leads to a master that was replaced."""
    return bool(connection.should_reconnect())  # type: ignore[no-untyped-call]  # redis-py leaves it without annotations


async def look_for_master(connection: AbstractConnection) -> None:
    """
    See to it that no master is read that was replaced, on no connection of the same maker; a single server stays.

    :raises RedisError: no sentinel says who it is.
    """
    if isinstance(connection, MasterConnection):
        await connection.sentinels.look()


async def _send_and_read(connection: AbstractConnection, packed: bytes, replies: int) -> list[Any]:
    await connection.send_packed_command(packed, check_health=False)
    return [await connection.read_response(disable_decoding=True) for _ in range(replies)]
