"""Brings a database to the schema of this release."""

from pathlib import Path

from alembic import command
from alembic.config import Config

MIGRATIONS = Path(__file__).parent / "migrations"


def migrate(url: str) -> None:
    """Run the migrations that are missing; safe to run again, and by several at once (the second waits)."""
    command.upgrade(config_for(url), "head")


def config_for(url: str) -> Config:
    """Alembic's configuration; the URL goes as it is, since psycopg reads what SQLAlchemy cannot (several hosts)."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["url"] = url
    return config
