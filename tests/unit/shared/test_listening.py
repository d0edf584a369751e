"""Finding the socket that granian has opened, among all that is open."""

import os
import socket
from pathlib import Path

import pytest

from shared.server.limits import ServerLimits
from shared.server.sockets import _configured

pytestmark = pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="only Linux has it")


def test_a_listening_socket_is_configured_and_nothing_is_left_open():
    """It looks again and again while a worker starts: what it left open each time would soon be all there can be."""
    reading, writing = os.pipe()
    with (
        socket.create_server(("127.0.0.1", 0)) as listening,
        socket.socket() as other,
        open(reading, "rb"),  # noqa: PTH123 - of a pipe
        open(writing, "wb"),  # noqa: PTH123 - likewise
    ):
        before = opened()

        configured = [
            _configured(each, ServerLimits(unread=1.234))
            for each in (reading, writing, other.fileno(), listening.fileno(), 9_999)
        ]

        assert configured == [None, None, None, listening.getsockname()[1], None]
        assert listening.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 1_234
        assert opened() <= before  # a collector may close what others have left


def opened():
    return {file.name for file in Path("/proc/self/fd").iterdir()}
