"""Hearing what the projector announces."""

from typing import Self

import msgspec
import structlog
from redis.exceptions import ConnectionError as ConnectionLost
from redis.exceptions import RedisError

from read_side.adapters.redis.limits import RedisReadLimits
from read_side.freshness import Freshness
from shared.read_model.positions import Announcement
from shared.redis.client import Connect, describe
from shared.redis.pipelined import PipelinedConnection
from shared.runtime.retry import Backoff, RetryPolicy, repeat
from shared.runtime.tasks import Tasks

log = structlog.get_logger()
_decode = msgspec.json.Decoder(Announcement).decode


class Announcements:
    """
    Listens on one connection as long as any view has entered it, and wakes the readers that wait.

    What is said while nothing listens is lost, therefore all readers read again once it listens (again).
    """

    def __init__(self, connect: Connect, *, limits: RedisReadLimits | None = None) -> None:
        limits = limits or RedisReadLimits()
        self._connect = connect
        self._heard: dict[bytes, Freshness] = {}
        self._silence = limits.silence
        self._first_pause = limits.first_pause
        self._backoff = Backoff(RetryPolicy(first=limits.first_pause, longest=limits.longest_pause))
        self._inside = 0
        self._tasks = Tasks()

    def wake(self, freshness: Freshness, *, by: str) -> None:
        """Have readers woken by what is said on a channel; to be called before any view enters."""
        self._heard[by.encode()] = freshness

    async def __aenter__(self) -> Self:
        self._inside += 1
        if self._inside == 1:
            self._tasks.start(
                repeat(self._listen_once, every=self._first_pause, after_error=self._note), name="announcements"
            )
        return self

    async def __aexit__(self, *_: object) -> None:
        self._inside -= 1
        if not self._inside:
            await self._tasks.stop_all()

    async def _listen_once(self) -> None:
        """Listen until the connection leads to a master that was replaced."""
        connection = self._connect()
        try:
            await self._subscribe(connection)
            self._backoff.reset()
            await self._listen(connection)
        finally:
            await connection.disconnect()

    def _note(self, error: Exception) -> float:
        if not isinstance(error, RedisError | OSError | msgspec.DecodeError):
            raise error
        log.warning("announcements are not heard", error=describe(error))
        return self._backoff.next()

    async def _subscribe(self, connection: PipelinedConnection) -> None:
        for channel in self._heard:  # in a cluster, no command names two slots
            await connection.send(connection.subscribe, channel)
        left = len(self._heard)
        while left:
            if (reply := await connection.receive(timeout=self._silence)) is None:
                raise ConnectionLost(f"{connection.subscribe} is not answered")
            self._hear(reply)
            left -= reply[0] in {b"subscribe", b"ssubscribe"}
        for freshness in set(self._heard.values()):
            freshness.read_again()

    async def _listen(self, connection: PipelinedConnection) -> None:
        has_pinged = False
        while not connection.is_outdated:
            reply = await connection.receive(timeout=self._silence)
            if reply is not None:
                self._hear(reply)
                has_pinged = False
            elif has_pinged:
                raise ConnectionLost("the server has fallen silent")
            else:
                await connection.send("PING")
                has_pinged = True

    def _hear(self, reply: list[bytes]) -> None:
        """Take a message; what else comes, such as the answer to PING, says only that the peer is there."""
        if reply[0] in {b"message", b"smessage"}:
            self._heard[reply[1]].announce(_decode(reply[2]).position)
        elif reply[0] == b"sunsubscribe":
            raise ConnectionLost("the channel has moved to another node")
