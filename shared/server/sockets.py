"""TCP keepalive and user time-out on the connections of a worker, whose sockets granian opens without them."""

import os
import socket
import threading
from contextlib import suppress
from pathlib import Path
from stat import S_ISSOCK

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
    with suppress(OSError):  # it may be closed by now
        # Checked first: of anything but a socket `fromfd` would leave its duplicate open.
        if not S_ISSOCK(os.fstat(file).st_mode):
            return False
        with socket.fromfd(file, socket.AF_INET, socket.SOCK_STREAM) as listener:
            return _set_options(listener, limits)
    return False


def _set_options(listener: socket.socket, limits: ServerLimits) -> bool:
    if not listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        return False
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(limits.unread * 1_000))
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, limits.keepalive_idle)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, limits.keepalive_interval)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    return True
