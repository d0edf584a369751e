"""The write side's processes, and the migrations that come before them."""

import asyncio

from shared.cli.exit_codes import CommandFailed
from shared.cli.options import Workers
from shared.settings import Settings, masked


def migrate() -> None:
    """Bring the database to the schema of this release; safe to run again."""
    from sqlalchemy.exc import OperationalError  # noqa: PLC0415 - SQLAlchemy is not needed to serve

    from shared.postgres.session import require_primary  # noqa: PLC0415 - likewise
    from write_side.adapters.postgres.migrate import migrate as run_migrations  # noqa: PLC0415 - Alembic is not needed to serve

    url = Settings.here().required("database_url")
    try:
        run_migrations(url)
    except OperationalError as error:
        require_primary(url)
        raise CommandFailed(f"{_reason(error.orig, url)}: `muster doctor` says more") from error


def _reason(error: BaseException | None, url: str) -> str:
    """Say why PostgreSQL failed, in its own words if it has said any: they name files and limits, never people."""
    said = getattr(getattr(error, "diag", None), "message_primary", None)
    if said:
        return f"PostgreSQL at {masked(url)} cannot go on ({said})"
    return f"PostgreSQL does not answer at {masked(url)} ({type(error).__name__})"


def write(*, host: str | None = None, port: int | None = None, workers: Workers | None = None) -> None:
    """
    Serve the write API until SIGTERM or SIGINT.

    :param host: the address to listen at, instead of MUSTER_WRITE_HOST.
    :param port: instead of MUSTER_WRITE_PORT.
    :param workers: processes that share the port and answer in turns, instead of MUSTER_WORKERS; one a core is enough.
    """
    from shared.auth.setup import require_access  # noqa: PLC0415 - nor cryptography to migrate
    from shared.event_log.adapters.postgres import PostgresEventLog  # noqa: PLC0415 - likewise
    from shared.server.serving import serve  # noqa: PLC0415 - nor granian to migrate

    settings = Settings.here()
    host, port = host or settings.write_host, port or settings.write_port
    require_access(settings, host=host)
    asyncio.run(PostgresEventLog.from_settings(settings).require_sound())
    serve(
        "write_side.services:create_app",
        settings,
        host=host,
        port=port,
        service="muster-write",
        workers=workers or settings.workers,
    )


def consume(*, host: str | None = None, port: int | None = None) -> None:
    """
    Carry out commands that come by Redis streams, and serve health and metrics, until SIGTERM or SIGINT.

    Start as many as you like: they share the streams.

    :param host: the address to listen at, instead of MUSTER_CONSUME_HOST.
    :param port: instead of MUSTER_CONSUME_PORT.
    """
    from shared.event_log.adapters.postgres import PostgresEventLog  # noqa: PLC0415 - see `write`
    from shared.server.serving import serve  # noqa: PLC0415 - likewise

    settings = Settings.here()
    host, port = host or settings.consume_host, port or settings.consume_port
    settings.bus_redis_url  # noqa: B018 - refused here, in one line, if there is none
    asyncio.run(PostgresEventLog.from_settings(settings).require_sound())
    serve("write_side.services:create_consumer", settings, host=host, port=port, service="muster-consume")
