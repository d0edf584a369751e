"""Replies parsed where they arrive: redis-py's reader takes a time-out and several calls for each of them."""

import asyncio
from typing import Any

import hiredis
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import AskError, ClusterDownError, InvalidResponse, RedisError, ResponseError, TryAgainError
from redis.exceptions import ConnectionError as ConnectionLost
from redis.exceptions import TimeoutError as TimedOut

NOT_SERVED = (AskError, TryAgainError, ClusterDownError)
"""What a node of a cluster answers that does not have the slot (any more), has a part of it, or must not serve it."""

_INCOMPLETE = object()
_LOST = "the connection was lost"


class Replies(asyncio.Protocol):
    """
    Takes what an open connection receives, one exchange at a time, until it is given back.

    redis-py connects (TLS, sentinels, credentials, RESP2 or 3) and closes; errors are its own.
    """

    def __init__(self, connection: AbstractConnection, transport: Any) -> None:
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
        if within is not None:
            self._timer = self._loop.call_later(within, self._lose, TimedOut("the server does not answer in time"))
        elif silence is not None:
            self._heard_at = self._loop.time()
            self._timer = self._loop.call_later(silence, self._listen_on, silence)
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

    def _listen_on(self, silence: float) -> None:
        """Give the server up if nothing has come for so long."""
        if (left := self._heard_at + silence - self._loop.time()) > 0:
            self._timer = self._loop.call_later(left, self._listen_on, silence)
        else:
            self._lose(TimedOut("the server has fallen silent"))

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


def take_over(connection: AbstractConnection) -> Replies | None:
    """Take what a connection receives; None where redis-py has it from something else than a transport."""
    writer = connection._writer  # noqa: SLF001 - redis-py has no other name for it
    return Replies(connection, writer.transport) if isinstance(writer, asyncio.StreamWriter) else None


def _without_errors(replies: list[Any]) -> list[Any]:
    for reply in replies:
        first = reply[0] if type(reply) is list and reply else reply
        if isinstance(reply, ResponseError) or isinstance(first, ConnectionLost):
            raise first
    return replies
