"""What granian leaves out on the connections of a worker: TCP keepalive, user time-out, the end of silent ones."""

import asyncio
import errno
import fcntl
import os
import socket
import struct
import termios
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from math import inf
from pathlib import Path
from stat import S_ISSOCK
from typing import Self

import structlog

from shared.runtime.retry import wait_until
from shared.server.limits import ServerLimits

_FILES = "/proc/self/fd"

SEARCH_SECONDS = 60.0
"""How long the worker's listening socket is searched for."""

log = structlog.get_logger()


class HeardClients:
    """
    The clients from which a request has come since they were last taken: their addresses and ports.

    A busy event loop hears of them late: `until` is when all that had come by then was heard.
    """

    def __init__(self) -> None:
        self.until = 0.0
        self._clients: set[tuple[str, str]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None

    def follow(self) -> None:
        """Find the event loop on which clients are noted; called on it."""
        self._loop = asyncio.get_running_loop()

    def note(self, client: tuple[str, str]) -> None:
        self._clients.add(client)

    def take(self, *, now: float) -> set[tuple[str, str]]:
        """Return the clients noted so far, and ask for a call when the loop has come as far as now."""
        taken, self._clients = self._clients, set()
        if self._loop is not None:
            with suppress(RuntimeError):  # it is closed by now
                self._loop.call_soon_threadsafe(self._reach, now)
        return taken

    def _reach(self, now: float) -> None:
        self.until = now


def terminate_absent_clients(limits: ServerLimits) -> HeardClients | None:
    """
    Terminate connections whose client is gone, does not read, or sends no request; return at once.

    An answer that is never read would keep its connection from other clients for ever.

    :returns: what is to be given the clients; None where they are not watched.
    """
    if not hasattr(socket, "TCP_USER_TIMEOUT"):  # elsewhere than on Linux they wait
        return None
    heard = HeardClients()
    threading.Thread(target=_watch, args=(limits, heard), daemon=True, name="connections").start()
    return heard


def _watch(limits: ServerLimits, heard: HeardClients) -> None:
    """Wait for the socket that listens, which is there only once the application has started; watch what it accepts."""
    ports: list[int] = []

    def listens() -> bool:
        ports.extend(_configured_ports(limits))
        return bool(ports)

    if not wait_until(listens, within=SEARCH_SECONDS):
        log.warning("connections of absent clients will not be terminated: no socket listens yet")
        return
    connections = AcceptedConnections(ports[0], heard, limits)
    while True:
        time.sleep(limits.look)
        connections.end_silent(time.monotonic())


def _configured_ports(limits: ServerLimits) -> list[int]:
    """Set the options of the socket that listens, from which its connections inherit; return its port."""
    files = [int(file.name) for file in Path(_FILES).iterdir()]
    return [port for file in files if (port := _configured(file, limits))]


def _configured(file: int, limits: ServerLimits) -> int | None:
    with suppress(OSError), _duplicated(file) as listener:
        return _set_options(listener, limits)
    return None


class AcceptedConnections:
    """
    The connections that a port has accepted.

    granian has one limit for a first request and for the next on a connection that is kept open, which must be long:
    a proxy would lose requests that it sends on a connection just closed.
    """

    def __init__(self, port: int, heard: HeardClients, limits: ServerLimits) -> None:
        self._port, self._heard, self._limits = port, heard, limits
        self._silent_since: dict[str, float] = {}

    def end_silent(self, now: float) -> None:
        """Terminate those that are open for long, and from which no request has come so far."""
        heard, before = self._heard.take(now=now), self._silent_since
        self._silent_since = {}
        for file in os.listdir(_FILES):  # noqa: PTH208 - pathlib would take five times as long, twice a second
            with suppress(OSError):  # it may be closed by now
                if (socket_id := os.readlink(f"{_FILES}/{file}")).startswith("socket:"):  # noqa: PTH115 - likewise
                    since = self._silent_since[socket_id] = before.get(socket_id, now)
                    self._silent_since[socket_id] = self._look(int(file), heard, since)

    def _look(self, file: int, heard: set[tuple[str, str]], since: float) -> float:
        """Return since when a connection is silent; of one that need not be watched any more, for ever from now."""
        if since == inf or not self._is_silent(file, heard):
            return inf
        if self._heard.until - since >= self._limits.request:
            with _duplicated(file) as connection:  # so that it cannot become another one
                if _peer(connection) not in heard:
                    connection.shutdown(socket.SHUT_RDWR)
        return since

    def _is_silent(self, file: int, heard: set[tuple[str, str]]) -> bool:
        """Look without a descriptor of its own: there may be none left."""
        connection = socket.socket(fileno=file)
        try:
            name = connection.getsockname()
            return isinstance(name, tuple) and name[1] == self._port and _peer(connection) not in heard
        finally:
            connection.detach()


def _peer(connection: socket.socket) -> tuple[str, str] | None:
    """:raises OSError: it has none."""
    match connection.getpeername():
        case (str(host), int(port), *_):
            return host, str(port)
    return None  # it is no connection of TCP


@contextmanager
def _duplicated(file: int) -> Iterator[socket.socket]:
    """:raises OSError: it is no socket, or closed by now."""
    # Checked first: of anything but a socket `fromfd` would leave its duplicate open.
    if not S_ISSOCK(os.fstat(file).st_mode):
        raise OSError(errno.ENOTSOCK, os.strerror(errno.ENOTSOCK))
    with socket.fromfd(file, socket.AF_INET, socket.SOCK_STREAM) as duplicate:
        yield duplicate


def _set_options(listener: socket.socket, limits: ServerLimits) -> int | None:
    if not listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        return None
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(limits.unread * 1_000))
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, limits.keepalive_idle)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, limits.keepalive_interval)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    port: int = listener.getsockname()[1]
    return port


class ReadingPatience:
    """
    Grants a client more time to read what was answered: the kernel would terminate its connection.

    :param client: its address and port, as ASGI has them; None where there is none.
    """

    def __init__(self, client: tuple[str, int] | None) -> None:
        self._client = client and (client[0], str(client[1]))
        self._all_read_at = time.monotonic()
        self._connection: socket.socket | None = None
        self._unread = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._connection is not None:
            self._connection.close()

    def extend(self) -> None:
        """Let the client leave unread what it has not read so far, for as long again as a connection usually may."""
        with suppress(OSError):  # the connection may be gone by now
            if self._find() and (connection := self._connection):
                self._extend(connection)

    def _find(self) -> bool:
        """Find the connection, and how long it may leave answers unread; False where there is no such limit."""
        if self._connection is None and self._client and hasattr(socket, "TCP_USER_TIMEOUT"):
            self._connection = _connection_to(self._client)
            if self._connection is not None:
                self._unread = self._connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
        return self._unread > 0

    def _extend(self, connection: socket.socket) -> None:
        waiting = struct.unpack("i", fcntl.ioctl(connection, termios.TIOCOUTQ, b"\0" * 4))[0]
        if not waiting:
            self._all_read_at = time.monotonic()
            return
        since = round((time.monotonic() - self._all_read_at) * 1_000)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, since + self._unread)


def _connection_to(client: tuple[str, str]) -> socket.socket | None:
    for file in Path(_FILES).iterdir():
        with suppress(OSError), _duplicated(int(file.name)) as found:
            if _peer(found) == client:
                return socket.socket(fileno=found.detach())  # `dup` would have granian's own descriptor block
    return None
