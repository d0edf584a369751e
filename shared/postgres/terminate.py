"""Terminating a connection whose server does not answer."""

import asyncio
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg


def terminate(connection: psycopg.AsyncConnection) -> None:
    """
    Shut the socket under a connection down.

    What waits for its answer meets a lost connection, as after a crash. To cancel the statement would ask the server
    for one more answer; and a COMMIT that is cancelled may take effect all the same.
    """
    if not connection.closed:
        with socket.socket(fileno=os.dup(connection.fileno())) as line:
            line.shutdown(socket.SHUT_RDWR)


@contextmanager
def answered_within(connection: psycopg.AsyncConnection, *, seconds: float) -> Iterator[None]:
    """Terminate the connection if the server takes longer to answer."""
    timer = asyncio.get_running_loop().call_later(seconds, terminate, connection)
    try:
        yield
    finally:
        timer.cancel()
