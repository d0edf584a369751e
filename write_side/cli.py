"""The write side's commands."""

import os

from shared.settings import Settings


def migrate() -> None:
    """Bring the database to the schema of this release; safe to run again."""
    from write_side.adapters.postgres.migrate import migrate as run_migrations  # noqa: PLC0415 - Alembic is not needed to serve

    run_migrations(Settings.load(os.environ).with_addresses().required("database_url"))


def write(*, host: str | None = None, port: int | None = None, workers: int | None = None) -> None:
    """Serve the write API until SIGTERM or SIGINT."""
    from shared.http.serving import serve  # noqa: PLC0415 - nor granian to migrate

    settings = Settings.load(os.environ)
    serve(
        "write_side.services:create_app",
        host=host or settings.write_host,
        port=port or settings.write_port,
        workers=workers or settings.workers,
        log_format=settings.log_format,
    )
