"""What the kernel sees to on the connections of a worker: granian opens its sockets by itself, and asks for nothing."""

import os
import socket
import threading
import time
from contextlib import suppress
from pathlib import Path
from stat import S_ISSOCK

import structlog

LOOKING_SECONDS = 60.0
"""For which a worker's socket is looked for."""

SILENT_SECONDS = 60
"""After which a client that says nothing is asked whether it is still there, by its kernel."""

ASKED_SECONDS = 15
"""After which it is asked again, or given up."""

log = structlog.get_logger()


def hang_up_on_the_absent(*, unread_seconds: float) -> None:
    """
    Have the connections given up of clients that are gone, or do not read what they were sent; returns at once.

    No matter who waits: an answer that nobody reads would keep its connection from others for ever.

    :param unread_seconds: for which something sent may be left unread, or unacknowledged.
    """
    if hasattr(socket, "TCP_USER_TIMEOUT"):  # elsewhere than on Linux they wait
        threading.Thread(target=_attend, args=(round(unread_seconds * 1_000),), daemon=True, name="listening").start()


def _attend(milliseconds: int) -> None:
    """Wait for the socket, which is there only once the application has started; its connections inherit from it."""
    deadline = time.monotonic() + LOOKING_SECONDS
    while not any(_is_told(int(file.name), milliseconds) for file in Path("/proc/self/fd").iterdir()):
        if time.monotonic() >= deadline:
            log.warning("clients that are gone will not be hung up on: no socket listens yet")
            return
        time.sleep(0.02)


def _is_told(file: int, milliseconds: int) -> bool:
    """Whether it is a socket that listens, which now knows what to do."""
    with suppress(OSError):  # it may be closed by now
        # Asked first, since of anything else `fromfd` would leave its duplicate open.
        if not S_ISSOCK(os.fstat(file).st_mode):
            return False
        with socket.fromfd(file, socket.AF_INET, socket.SOCK_STREAM) as found:
            return _tell(found, milliseconds)
    return False


def _tell(found: socket.socket, milliseconds: int) -> bool:
    if not found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        return False
    found.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, milliseconds)
    found.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, SILENT_SECONDS)
    found.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, ASKED_SECONDS)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    return True
