"""Serve HTTP: granian in front, the ASGI application in workers of their own."""

import errno
import gc
import importlib
import os
import resource
import socket
import sys
import time
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from typing import Any

from granian.constants import HTTPModes, Interfaces, Loops
from granian.http import HTTP1Settings

from shared.observability import logging as telemetry
from shared.observability import tracing
from shared.runtime.exit_with_parent import exit_with_parent
from shared.server.reloading import OPENING_SECONDS, ReloadingServer
from shared.server.sockets import give_up_absent_clients

STOP_SECONDS = 15
"""How long a worker may take to finish its requests after SIGTERM: more than a command does, whatever it waits for."""

CONNECTIONS = 4_096
"""How many connections a worker serves at once; further ones wait in the kernel's queue."""

HEADER_SECONDS = 30
"""How long a client may take to send the headers of a request, also the next on a connection kept open."""

UNREAD_SECONDS = 30
"""How long a client may leave an answer unread."""

BUFFER_BYTES = 64 * 1024
"""The buffer of a connection in each direction; longer headers are answered 431."""

OPEN_FILES = 65_536

RELEASE_SECONDS = 1.0
"""How long the kernel may take to free the port of a process that was killed."""


class PortTakenError(Exception):
    """Another process listens at the address of this one."""


def serve(
    target: str,
    *,
    host: str,
    port: int,
    workers: int = 1,
    log_format: telemetry.LogFormat = "console",
    service: str = "muster",
) -> None:
    """
    Serve the ASGI application that `target` ("package.module:factory") makes, until SIGTERM or SIGINT.

    SIGHUP starts new workers beside the old ones, which then finish their requests: none is refused.

    A worker that dies ends the whole process with status 1, so that its supervisor starts it anew.

    :param service: its name in traces.
    :raises SystemExit: the port is taken, or a worker died.
    """
    telemetry.configure(log_format)
    try:
        require_free(host, port)
    except PortTakenError as taken:
        sys.exit(str(taken))
    _allow_open_files()
    loader = partial(
        _load, target, parent=os.getpid(), log_format=log_format, service=service, unread_seconds=UNREAD_SECONDS
    )
    _server(target, host=host, port=port, workers=workers).serve(target_loader=loader, wrap_loader=False)


def require_free(host: str, port: int, *, patience: float = RELEASE_SECONDS) -> None:
    """
    Return once the port is free.

    Granian shares its port with every other process that asks (SO_REUSEPORT): two servers would answer in turns.

    :raises PortTakenError: it is still taken after `patience` seconds.
    """
    deadline = time.monotonic() + patience
    while _is_taken(host, port):
        if time.monotonic() >= deadline:
            raise PortTakenError(
                f"port {port} on {host} is taken: stop the process that listens there, or choose another port"
            )
        time.sleep(0.02)


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


def _server(target: str, *, host: str, port: int, workers: int) -> ReloadingServer:
    return ReloadingServer(
        target,
        address=host,
        port=port,
        workers=workers,
        interface=Interfaces.ASGI,
        loop=Loops.uvloop if find_spec("uvloop") else Loops.asyncio,
        http=HTTPModes.http1,
        http1_settings=HTTP1Settings(
            header_read_timeout=HEADER_SECONDS * 1_000, keep_alive=True, max_buffer_size=BUFFER_BYTES
        ),
        websockets=False,
        backlog=CONNECTIONS,
        backpressure=CONNECTIONS,
        workers_kill_timeout=STOP_SECONDS,
        respawn_interval=OPENING_SECONDS,
        log_dictconfig=dict(telemetry.GRANIAN_LOGGING),
    )


def _load(
    target: str,
    *,
    parent: int,
    log_format: telemetry.LogFormat,
    service: str,
    unread_seconds: float,
    made: Callable[[], object],
) -> Any:
    """Make the application; runs in the worker, which must not go on answering when its parent was killed."""
    exit_with_parent(parent)
    telemetry.configure(log_format)
    tracing.export_spans(service)
    module, factory = target.split(":")
    create: Callable[[], Any] = getattr(importlib.import_module(module), factory)
    application = create()
    # These objects stay: walking through them at every full collection delayed some answers by 40 ms.
    gc.collect()
    gc.freeze()
    give_up_absent_clients(unread_seconds=unread_seconds)
    made()
    return application


def _allow_open_files() -> None:
    """Raise the soft limit, which is 1,024 in most shells: every connection is a file."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, OPEN_FILES)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
