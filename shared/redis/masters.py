"""Connections to a server whose address others know: the sentinels of a service, or the nodes of a cluster."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any, TypeVar
from weakref import WeakSet

from redis.asyncio.connection import Connection, SSLConnection, parse_url
from redis.driver_info import DriverInfo
from redis.exceptions import ConnectionError as ConnectionLost
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as TimedOut

from shared.redis.replies import NOT_SERVED, PATIENCE, not_served
from shared.urls.servers import Address

Options = dict[str, Any]

DRIVER: Options = {"driver_info": DriverInfo()}
"""Made once: redis-py would look up for each connection which version it is, for half a millisecond."""

T = TypeVar("T")


class Locator(ABC):
    """
    Asks for the address of a server; shared by all connections to it.

    :ivar known: who may know it; the one that answered last is asked first.
    """

    is_sharded = False
    """Whether a channel belongs to a server as a key does."""

    handshake_seconds: float | None = None
    """For the whole of a handshake, where another server is soon asked instead."""

    def __init__(self, known: Sequence[Address]) -> None:
        self.known = list(known)
        self._connections: WeakSet[MasterConnection] = WeakSet()
        self._looking: asyncio.Task[None] | None = None

    @abstractmethod
    async def master(self) -> Address:
        """
        Return where the server is now.

        :raises ConnectionError: none of those who are asked knows.
        """

    async def first(self, ask: Callable[[Address], Awaitable[T | None]], *, otherwise: str) -> T:
        """
        Return the answer of the first that has one.

        :raises ConnectionError: none has; it begins with `otherwise`.
        """
        troubles = []
        for each in self.known:
            self.known = [*self._known_besides(each), each]  # before it is asked: a caller may not wait for its answer
            try:
                if answer := await ask(each):
                    self.known = [each, *self._known_besides(each)]  # others may have changed it meanwhile
                    return answer
            except (RedisError, OSError) as error:
                troubles.append(f"{each}: {error}")
        raise ConnectionLost("; ".join((otherwise, *troubles)))

    def _known_besides(self, asked: Address) -> Sequence[Address]:
        return [each for each in self.known if each != asked]

    def know(self, connection: "MasterConnection") -> None:
        """Keep a connection that `leave_replaced_master` is to look at."""
        self._connections.add(connection)

    async def leave_replaced_master(self) -> None:
        """
        Have each connection to another server than the master connect anew.

        A master that was cut off goes on serving clients that still reach it.
        """
        self.leave_all_but(await self.master())

    def leave_all_but(self, master: Address | None) -> None:
        """Have each connection to another server connect anew, once what is under way there has ended."""
        for connection in self._connections:
            if connection.is_connected and (connection.host, connection.port) != master:
                connection.mark_for_reconnect()  # type: ignore[no-untyped-call]  # redis-py leaves it so

    def suspect(self) -> None:
        """Have it looked whether another server took over: this one does not answer. At most one look is under way."""
        if self._looking is None:
            self._looking = asyncio.create_task(self._look(), name="look for another server")

    async def _look(self) -> None:
        try:
            with suppress(RedisError, OSError):  # it is looked again, as long as there is no answer
                await self.leave_replaced_master()
        finally:
            self._looking = None


class MasterConnection(Connection):
    """
    Connects to the master that is located, and to no server that is none.

    A node of a cluster that does not serve the slot is left: what was watched there means nothing any more.
    """

    def __init__(self, *, locator: Locator, **options: Any) -> None:
        super().__init__(**options)
        self.locator = locator
        self._late: asyncio.TimerHandle | None = None
        self._blocked = 0.0
        """Seconds for which the command that was sent may wait for what is to come: so long silence is no sign."""
        locator.know(self)

    async def connect_check_health(self, check_health: bool = True, retry_socket_connect: bool = True) -> None:  # noqa: FBT001, FBT002 - redis-py's
        if self.is_connected and self.should_reconnect():  # type: ignore[no-untyped-call]  # redis-py leaves it so
            await self.disconnect(nowait=True)  # a pool that lends it looks only when it comes back
        if self.is_connected:
            return
        try:
            async with asyncio.timeout(self.socket_connect_timeout):
                self.host, self.port = await self.locator.master()
            async with asyncio.timeout(self.locator.handshake_seconds):  # the kernel connects to who stands still
                await super().connect_check_health(check_health, retry_socket_connect)
        except TimeoutError as error:
            await self.disconnect(nowait=True)
            raise TimedOut("no server takes a connection in time") from error

    async def on_connect_check_health(self, check_health: bool = True) -> None:  # noqa: FBT001, FBT002 - redis-py's
        await super().on_connect_check_health(check_health)
        await self.send_command("ROLE", check_health=False)
        role, *_ = await self.read_response()
        if role not in {b"master", "master"}:
            raise ConnectionLost(f"{self.host}:{self.port} is no master")

    async def send_command(self, *args: Any, **options: Any) -> None:
        if args[0] == "XREAD" and b"BLOCK" in args:
            self._blocked = int(args[args.index(b"BLOCK") + 1]) / 1_000
        await super().send_command(*args, **options)

    async def read_response(self, *args: Any, **options: Any) -> Any:
        blocked, self._blocked = self._blocked, 0.0
        if "timeout" not in options:  # else silence is an answer
            self._late = asyncio.get_running_loop().call_later(PATIENCE + blocked, self._note_late)
        try:
            return await super().read_response(*args, **options)
        except NOT_SERVED as error:
            await self.disconnect(nowait=True)
            raise not_served(error) from error
        finally:
            if self._late is not None:
                self._late.cancel()

    def _note_late(self) -> None:
        """Give up what is waited for where another server took over; else have that looked for, and wait on."""
        if not self.should_reconnect():  # type: ignore[no-untyped-call]  # redis-py leaves it so
            self.locator.suspect()
            self._late = asyncio.get_running_loop().call_later(PATIENCE, self._note_late)
        elif isinstance(self._writer, asyncio.StreamWriter):
            self._writer.transport.abort()


class SecureMasterConnection(MasterConnection, SSLConnection):
    """The same by TLS."""


def master_options(url: str) -> Options:
    """Return how the master is connected to, wherever it is; the URL may name any server."""
    options: Options = {**parse_url(url)}
    return {name: value for name, value in options.items() if name not in {"host", "port", "connection_class"}}
