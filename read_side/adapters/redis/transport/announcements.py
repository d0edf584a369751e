"""Hearing what the projector announces."""

import asyncio
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from contextlib import AsyncExitStack
from typing import Self

import msgspec
import structlog
from redis.exceptions import ConnectionError as ConnectionLost
from redis.exceptions import RedisError

from read_side.adapters.redis.limits import RedisReadLimits
from read_side.adapters.redis.transport.nodes import PerNode
from read_side.freshness import Freshness
from shared.read_model.positions import Announcement
from shared.redis.client import Connect, describe
from shared.redis.cluster import tag_in
from shared.redis.nodes import Nodes
from shared.redis.pipelined import PipelinedConnection
from shared.runtime.cancellation import is_cancelled
from shared.runtime.retry import Backoff, RetryPolicy, repeat
from shared.runtime.tasks import Tasks

log = structlog.get_logger()
_decode = msgspec.json.Decoder(Announcement).decode


class Announcements:
    """
    Listens as long as any view has entered it, and wakes the readers that wait.

    :param nodes: those of a cluster that have partitions: each of them is listened to, on one connection.
    """

    def __init__(self, connect: Connect, *, nodes: Nodes | None = None, limits: RedisReadLimits | None = None) -> None:
        self._connect = connect
        self._nodes = nodes
        self._limits = limits or RedisReadLimits()
        self._channels: dict[Freshness, Collection[str]] = {}
        self._inside = 0
        self._changing = asyncio.Lock()
        """Held by who begins or ends to listen: a layout may change while all leave."""
        self._open = AsyncExitStack()

    def wake(self, freshness: Freshness, *, by: Collection[str]) -> None:
        """Have readers woken by what is said on these channels; to be called before anything is listened to."""
        self._channels[freshness] = by

    async def go_over(self, _: object, nodes: Nodes | None) -> None:
        """Listen on the channels of another layout; all readers read again then."""
        async with self._changing:
            self._nodes = nodes
            if self._inside:
                await self._open.aclose()
                await self._listen()

    async def __aenter__(self) -> Self:
        async with self._changing:
            self._inside += 1
            if self._inside == 1:
                await self._listen()
        return self

    async def _listen(self) -> None:
        apart = self._nodes.slots if self._nodes else {}
        channels = {channel for own in self._channels.values() for channel in own}
        if at_home := {tag for tag in map(tag_in, channels) if tag not in apart}:
            await self._open.enter_async_context(self._listener(self._connect, at_home))
        if self._nodes:
            await self._open.enter_async_context(PerNode(self._nodes, self._listener))

    async def __aexit__(self, *_: object) -> None:
        async with self._changing:
            self._inside -= 1
            if not self._inside:
                await self._open.aclose()

    def _listener(self, connect: Connect, tags: Collection[str]) -> "_Listener":
        """Listen to a server on the channels with some hash tags."""
        woken = defaultdict[bytes, list[Freshness]](list)
        for freshness, channels in self._channels.items():
            for channel in channels:
                if tag_in(channel) in tags:
                    woken[channel.encode()].append(freshness)
        return _Listener(connect, woken, self._limits)


class _Listener:
    """
    Listens on one connection as long as it is entered.

    What is said while nothing listens is lost, therefore all readers read again once it listens (again).
    """

    def __init__(self, connect: Connect, woken: Mapping[bytes, Sequence[Freshness]], limits: RedisReadLimits) -> None:
        self._connect = connect
        self._woken = woken
        self._silence = limits.silence
        self._first_pause = limits.first_pause
        self._backoff = Backoff(RetryPolicy(first=limits.first_pause, longest=limits.longest_pause))
        self._tasks = Tasks()

    async def __aenter__(self) -> Self:
        self._tasks.start(
            repeat(self._listen_once, every=self._first_pause, after_error=self._note), name="announcements"
        )
        return self

    async def __aexit__(self, *_: object) -> None:
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
        for channel in self._woken:  # one by one: in a cluster, no command names channels of two slots
            await connection.send(connection.subscribe, channel)
        left = len(self._woken)
        while left:
            if (reply := await connection.receive(timeout=self._silence)) is None:
                raise ConnectionLost(f"{connection.subscribe} is not answered")
            self._hear(reply)
            left -= reply[0] in {b"subscribe", b"ssubscribe"}
        for freshness in {each for own in self._woken.values() for each in own}:
            freshness.read_again()

    async def _listen(self, connection: PipelinedConnection) -> None:
        has_pinged = False
        while not (connection.is_outdated or is_cancelled()):
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
            position = _decode(reply[2]).position
            for freshness in self._woken[reply[1]]:
                freshness.announce(position)
        elif reply[0] == b"sunsubscribe":
            raise ConnectionLost("the channel has moved to another node")
