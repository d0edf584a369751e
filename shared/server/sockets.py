"""TCP keepalive and user time-out on the connections of a worker, whose sockets granian opens without them."""

import errno
import fcntl
import os
import socket
import struct
import termios
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from stat import S_ISSOCK
from typing import Self

import structlog

from shared.runtime.retry import wait_until
from shared.server.limits import ServerLimits

SEARCH_SECONDS = 60.0
"""How long the worker's listening socket is searched for."""

log = structlog.get_logger()


def terminate_absent_clients(limits: ServerLimits) -> None:
    """
    Have the kernel terminate connections whose client is gone or does not read; return at once.

    An answer that is never read would keep its connection from other clients for ever.
    """
    if hasattr(socket, "TCP_USER_TIMEOUT"):  # elsewhere than on Linux they wait
        threading.Thread(target=_configure_listener, args=(limits,), daemon=True, name="keepalive").start()


def _configure_listener(limits: ServerLimits) -> None:
    """Wait for the socket, which is there only once the application has started; its connections inherit from it."""

    def listens() -> bool:
        return any(_configured(int(file.name), limits) for file in Path("/proc/self/fd").iterdir())

    if not wait_until(listens, within=SEARCH_SECONDS):
        log.warning("connections of absent clients will not be terminated: no socket listens yet")


def _configured(file: int, limits: ServerLimits) -> bool:
    """Set the options of a listening socket; return False for every other file."""
    with suppress(OSError), _duplicated(file) as listener:
        return _set_options(listener, limits)
    return False


@contextmanager
def _duplicated(file: int) -> Iterator[socket.socket]:
    """:raises OSError: it is no socket, or closed by now."""
    # Checked first: of anything but a socket `fromfd` would leave its duplicate open.
    if not S_ISSOCK(os.fstat(file).st_mode):
        raise OSError(errno.ENOTSOCK, os.strerror(errno.ENOTSOCK))
    with socket.fromfd(file, socket.AF_INET, socket.SOCK_STREAM) as duplicate:
        yield duplicate


def _set_options(listener: socket.socket, limits: ServerLimits) -> bool:
    if not listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        return False
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(limits.unread * 1_000))
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, limits.keepalive_idle)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, limits.keepalive_interval)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    return True


class ReadingPatience:
    """
    Grants a client more time to read what was answered: the kernel would terminate its connection.

    :param client: its address and port, as ASGI has them; None where there is none.
    """

    def __init__(self, client: tuple[str, int] | None, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._client = client and (client[0], int(client[1]))
        self._clock = clock
        self._all_read_at = clock()
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
            self._all_read_at = self._clock()
            return
        since = round((self._clock() - self._all_read_at) * 1_000)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, since + self._unread)


def _connection_to(client: tuple[str, int]) -> socket.socket | None:
    for file in Path("/proc/self/fd").iterdir():
        with suppress(OSError), _duplicated(int(file.name)) as found:
            if found.getpeername()[:2] == client:
                return socket.socket(fileno=found.detach())  # `dup` would have granian's own descriptor block
    return None
