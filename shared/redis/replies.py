"""Replies parsed where they arrive: redis-py's reader takes a time-out and several calls for each of them."""

import asyncio
from collections.abc import Callable
from typing import Any, TypeAlias

import hiredis
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import AskError, ClusterDownError, InvalidResponse, RedisError, ResponseError, TryAgainError
from redis.exceptions import ConnectionError as ConnectionLost
from redis.exceptions import TimeoutError as TimedOut

NOT_SERVED = (AskError, TryAgainError, ClusterDownError)
"""What a node of a cluster answers that does not have the slot (any more), has a part of it, or must not serve it."""

PATIENCE = 0.5
"""Seconds without an answer after which it is asked, and asked again, whether another server took over."""

IsLeft: TypeAlias = Callable[[], bool]

_INCOMPLETE = object()
_LOST = "the connection was lost"


class Replies(asyncio.Protocol):
    """
    Takes what an open connection receives, one exchange at a time, until it is given back.

    redis-py connects (TLS, sentinels, credentials, RESP2 or 3) and closes; errors are its own.
    """

    def __init__(self, connection: AbstractConnection, transport: Any, is_left: IsLeft) -> None:
        """:param is_left: asked again and again while there is no answer, whether there will be none."""
        self._is_left = is_left
        self._parser: Any = connection._parser  # noqa: SLF001 - redis-py has no other name for it
        self._transport: asyncio.Transport = transport
        self._former: Any = transport.get_protocol()
        self._reader = hiredis.Reader(
            protocolError=InvalidResponse, replyError=self._parser.parse_error, notEnoughData=_INCOMPLETE
        )
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._received: list[Any] = []
        self._pushes: list[Any] = []
        self._wanted = 0
        self._heard_at = 0.0
        self._lost: RedisError | None = None
        transport.set_protocol(self)

    @property
    def is_lost(self) -> bool:
        """Whether nothing can be exchanged any more."""
        return self._lost is not None or self._transport.is_closing()

    def give_back(self) -> None:
        """Let redis-py read again."""
        self._transport.set_protocol(self._former)

    async def exchange(
        self, packed: bytes, *, replies: int, within: float | None = None, silence: float | None = None
    ) -> list[Any]:
        """
        Send packed commands, and return so many replies.

        After an error the connection has to be closed.

        :param within: seconds in which all have to come.
        :param silence: seconds in which something has to come each time, if there is no such limit.
        :raises ResponseError: the first command that was refused.
        :raises ConnectionError: the connection is lost.
        :raises TimeoutError: the server does not answer in time.
        """
        if self.is_lost:
            raise self._lost or ConnectionLost(_LOST)
        self._wanted, self._received, self._waiter = replies, [], self._loop.create_future()
        began = self._heard_at = self._loop.time()
        if within is not None:
            self._timer = self._loop.call_later(min(within, PATIENCE), self._listen_on, within, began)
        elif silence is not None:
            self._timer = self._loop.call_later(min(silence, PATIENCE), self._listen_on, silence, None)
        self._transport.write(packed)
        try:
            await self._waiter
        except asyncio.CancelledError:
            self._lose(ConnectionLost("an exchange was given up"))
            raise
        finally:
            self._waiter = None
            if self._timer is not None:
                self._timer.cancel()
        while self._pushes:
            await self._parser.handle_push_response(self._pushes.pop(0))
        try:
            return _without_errors(self._received)
        except NOT_SERVED as error:
            self._lose(not_served(error))
            raise self._lost or error from error

    def data_received(self, data: bytes) -> None:
        self._heard_at = self._loop.time()
        try:
            self._reader.feed(data)
            while (reply := self._reader.gets(False)) is not _INCOMPLETE:  # noqa: FBT003 - hiredis takes no keyword
                self._take(reply)
        except RedisError as error:
            self._lose(error)

    def eof_received(self) -> None:
        self._lose(ConnectionLost(_LOST))

    def connection_lost(self, exc: Exception | None) -> None:
        self._lose(ConnectionLost(f"{_LOST}: {exc}" if exc else _LOST))
        self._former.connection_lost(exc)  # redis-py may wait for it

    def _take(self, reply: Any) -> None:
        if isinstance(reply, hiredis.PushNotification):
            self._pushes.append(reply)
        elif self._waiter is None or len(self._received) == self._wanted:
            self._lose(ConnectionLost("a reply to no command"))
        else:
            self._received.append(reply)
            if len(self._received) == self._wanted and not self._waiter.done():
                self._waiter.set_result(None)

    def _listen_on(self, seconds: float, began: float | None) -> None:
        """
        Give the server up if another one took over, or time is over.

        :param began: since when time runs; None for the last time that anything came.
        """
        left = (self._heard_at if began is None else began) + seconds - self._loop.time()
        if left <= 0:
            late = "the server has fallen silent" if began is None else "the server does not answer in time"
            self._lose(TimedOut(late))
        elif self._loop.time() - self._heard_at >= PATIENCE and self._is_left():
            self._lose(ConnectionLost("another server took over"))
        else:
            self._timer = self._loop.call_later(min(left, PATIENCE), self._listen_on, seconds, began)

    def _lose(self, error: RedisError) -> None:
        if self._lost is None:
            self._lost = error
            self._transport.abort()
        if self._waiter is not None and not self._waiter.done():
            # A refusal that came before says more: a server with too many clients says so, and closes.
            refused = next((each for each in self._received if isinstance(each, RedisError)), self._lost)
            self._waiter.set_exception(refused)


def not_served(error: ResponseError) -> ConnectionLost:
    """Return what it means that a node does not serve a slot: the server is away, and has to be found anew."""
    return ConnectionLost(f"{_LOST}: {error.status_code} {error}")


def take_over(connection: AbstractConnection, *, is_left: IsLeft) -> Replies | None:
    """Take what a connection receives; None where redis-py has it from something else than a transport."""
    writer = connection._writer  # noqa: SLF001 - redis-py has no other name for it
    return Replies(connection, writer.transport, is_left) if isinstance(writer, asyncio.StreamWriter) else None


def _without_errors(replies: list[Any]) -> list[Any]:
    for reply in replies:
        first = reply[0] if type(reply) is list and reply else reply
        if isinstance(reply, ResponseError) or isinstance(first, ConnectionLost):
            raise first
    return replies
