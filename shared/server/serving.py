"""Serve HTTP: granian in front, the ASGI application in workers of their own."""

import importlib
import os
import resource
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from typing import Any

from granian.constants import HTTPModes, Interfaces, Loops
from granian.http import HTTP1Settings

from shared.observability import logging as telemetry
from shared.observability import tracing
from shared.observability.metrics import SharedMetrics, metrics_of
from shared.runtime.exit_with_parent import exit_with_parent
from shared.runtime.garbage import search_seldom, search_while_serving
from shared.server.limits import ServerLimits
from shared.server.ports import PortTakenError, require_free
from shared.server.reloading import ReloadingServer
from shared.server.sockets import HeardClients, terminate_absent_clients
from shared.settings import Settings

FEWEST_CONNECTIONS = 64
"""Fewer serve no one well: every client keeps some."""


def serve(target: str, settings: Settings, *, host: str, port: int, service: str, workers: int = 1) -> None:
    """
    Serve the ASGI application that `target` ("package.module:factory") makes, until SIGTERM or SIGINT.

    SIGHUP starts new workers beside the old ones, which then finish their requests: none is refused.

    A worker that dies is replaced while the others serve. The only one, or one that dies again at once, ends the whole
    process with status 1, so that its supervisor starts it anew.

    :param service: its name in traces.
    :raises SystemExit: the port is taken, or a worker died.
    """
    search_seldom()
    telemetry.configure(settings.log_format)
    try:
        require_free(host, port)
    except PortTakenError as taken:
        sys.exit(str(taken))
    limits = _within_open_files(settings.limits_of(ServerLimits))
    load = partial(_load, target, parent=os.getpid(), log_format=settings.log_format, service=service, limits=limits)
    with metrics_of(workers) as metrics:
        server = _server(target, host=host, port=port, workers=workers, limits=limits, metrics=metrics)
        server.serve(target_loader=partial(load, metrics=metrics), wrap_loader=False)


def _server(
    target: str, *, host: str, port: int, workers: int, limits: ServerLimits, metrics: SharedMetrics | None
) -> ReloadingServer:
    return ReloadingServer(
        target,
        make_seconds=limits.make,
        metrics=metrics,
        address=host,
        port=port,
        workers=workers,
        interface=Interfaces.ASGI,
        loop=Loops.uvloop if find_spec("uvloop") else Loops.asyncio,
        http=HTTPModes.http1,
        http1_settings=HTTP1Settings(
            header_read_timeout=round(limits.headers * 1_000), keep_alive=True, max_buffer_size=limits.buffer
        ),
        websockets=False,
        backlog=limits.connections,
        backpressure=limits.connections,
        workers_kill_timeout=limits.stop,
        respawn_interval=limits.open,
        log_dictconfig=dict(telemetry.GRANIAN_LOGGING),
    )


def _load(
    target: str,
    *,
    parent: int,
    log_format: telemetry.LogFormat,
    service: str,
    limits: ServerLimits,
    metrics: SharedMetrics | None,
    made: Callable[[], object],
    worker: str,
) -> Any:
    """Make the application; runs in the worker, which must not go on answering when its parent was killed."""
    exit_with_parent(parent)
    telemetry.configure(log_format)
    if metrics:
        metrics.count_as(worker)
    tracing.export_spans(service)
    application = _made(target)
    heard = terminate_absent_clients(limits)
    made()
    return application if heard is None else partial(_heard, application, heard)


def _made(target: str) -> Any:
    """Load and make the application."""
    module, factory = target.split(":")
    create: Callable[[], Any] = getattr(importlib.import_module(module), factory)
    application = create()
    search_while_serving()
    return application


def _heard(application: Any, heard: HeardClients, scope: Any, receive: Any, send: Any) -> Any:
    """Note the client of each request, at the cost of a look-up."""
    if scope["type"] == "http":
        heard.note(scope["client"])
    else:
        heard.follow()
    return application(scope, receive, send)


def _within_open_files(limits: ServerLimits) -> ServerLimits:
    """
    Allow no more connections than there may be files, of which some are kept for everything else.

    :raises SystemExit: there may be too few.
    """
    connections = min(limits.connections, allow_open_files(limits.open_files) - limits.reserved_files)
    if connections < FEWEST_CONNECTIONS:
        fewest = FEWEST_CONNECTIONS + limits.reserved_files
        sys.exit(f"a process may have too few files open here: allow {fewest} at least, by `ulimit -n` or LimitNOFILE")
    return replace(limits, connections=connections)


def allow_open_files(files: int) -> int:
    """Raise the soft limit as far as the hard one allows, and return it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = files if hard == resource.RLIM_INFINITY else min(hard, files)
    soft = max(soft, wanted)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return soft
