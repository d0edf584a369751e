"""The ports that servers listen at: whether one is free."""

import errno
import socket

from shared.runtime.retry import wait_until

RELEASE_SECONDS = 1.0
"""How long the kernel may take to free the port of a process that was killed."""


class PortTakenError(Exception):
    """Another process listens at the address of this one."""


def require_free(host: str, port: int, *, patience: float = RELEASE_SECONDS) -> None:
    """
    Return once the port is free.

    Granian shares its port with every other process that asks (SO_REUSEPORT): two servers would answer in turns.

    :raises PortTakenError: it is still taken after `patience` seconds.
    """
    if not wait_until(lambda: not _is_taken(host, port), within=patience):
        raise PortTakenError(
            f"port {port} on {host} is taken: stop the process that listens there, or choose another port"
        )


def _is_taken(host: str, port: int) -> bool:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections that linger are no obstacle
        try:
            probe.bind((host, port))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            return True
    return False
