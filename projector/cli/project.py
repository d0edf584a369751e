"""`muster project`: the projector's process."""

import asyncio

from projector.cli.layout import layouts_at
from shared.auth.setup import require_access
from shared.cli.api_client import ANSWER_SECONDS, READ_API, httpx_client
from shared.cli.exit_codes import CommandFailed
from shared.event_log.adapters.postgres import PostgresEventLog
from shared.server.serving import serve
from shared.settings import Settings


def project(*, host: str | None = None, port: int | None = None, workers: int = 1) -> None:
    """
    Project events into Redis and serve the ops API until SIGTERM or SIGINT.

    :param host: the address to listen at, instead of MUSTER_OPS_HOST.
    :param port: instead of MUSTER_OPS_PORT.
    :param workers: 1; a projector is one process. Start another one, and they share the partitions.
    """
    if workers != 1:
        raise CommandFailed("a projector is one process: leave --workers out, and start another one beside it")
    settings = Settings.here()
    host, port = host or settings.ops_host, port or settings.ops_port
    settings.required("redis_url")
    require_access(settings, host=host)
    if settings.read_url:
        httpx_client(READ_API, settings, timeout=ANSWER_SECONDS)  # refused here, in one line, if it cannot be made
    asyncio.run(PostgresEventLog.from_settings(settings).require_sound())
    asyncio.run(layouts_at(settings))  # refused here likewise, if another release has recorded them
    serve("projector.main:create_app", settings, host=host, port=port, service="muster-project")
