"""Databases on one server."""

from shared.dev_stack.embedded_postgres import EmbeddedPostgres


def database_at(server: EmbeddedPostgres, name: str) -> str:
    """The URL of another database on the same server."""
    return server.url.rpartition("/")[0] + f"/{name}"
