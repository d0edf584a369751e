"""The read side's command."""

import asyncio
from contextlib import aclosing, suppress

from read_side.adapters.redis.transport.eviction import EvictionWatch
from read_side.adapters.redis.transport.recorded import RecordedLayout
from shared.auth.setup import require_access
from shared.cli.exit_codes import CommandFailed
from shared.cli.options import Workers
from shared.errors import EvictionPossible, Unavailable
from shared.observability import logging as telemetry
from shared.redis.client import connector
from shared.server.serving import serve
from shared.settings import Settings


def read(*, host: str | None = None, port: int | None = None, workers: Workers | None = None) -> None:
    """
    Serve the read API until SIGTERM or SIGINT.

    :param host: the address to listen at, instead of MUSTER_READ_HOST.
    :param port: instead of MUSTER_READ_PORT.
    :param workers: processes that share the port and answer in turns, instead of MUSTER_WORKERS; one a core is enough.
    """
    settings = Settings.here()
    host, port = host or settings.read_host, port or settings.read_port
    require_access(settings, host=host)
    telemetry.configure(settings.log_format)
    asyncio.run(_refuse_eviction(settings.required("redis_url")))
    serve(
        "read_side.services:create_app",
        settings,
        host=host,
        port=port,
        service="muster-read",
        workers=workers or settings.workers,
    )


async def _refuse_eviction(url: str) -> None:
    """A Redis that is away is no reason not to start; one that may lose records is."""
    recorded = RecordedLayout.at(url)
    async with EvictionWatch(connector(url)) as watch, aclosing(recorded):
        recorded.follow(watch.go_over)
        with suppress(Unavailable):
            await recorded.ask()
        try:
            watch.require_none()
        except EvictionPossible as error:
            hint = "run `CONFIG SET maxmemory-policy noeviction` and write it into Redis' configuration"
            raise CommandFailed(f"{error}; {hint}") from error
