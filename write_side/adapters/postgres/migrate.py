"""Brings a database to the schema of this release."""

from collections.abc import Sequence
from pathlib import Path

from alembic import command
from alembic.config import Config

from shared.errors import Unsound

MIGRATIONS = Path(__file__).parent / "migrations"


class OneAddressTwice(Unsound):
    """Accounts that this release takes for one have different e-mail addresses for the release before it."""

    def __init__(self, accounts: Sequence[str], *, of: int) -> None:
        more = f", and {of - len(accounts)} more" * (of > len(accounts))
        super().__init__(
            f"accounts have one e-mail address in two forms ({'; '.join(accounts)}{more}): change or erase one of each "
            "with the release that runs now, then migrate again; nothing was changed"
        )


def migrate(url: str) -> None:
    """
    Run the migrations that are missing; safe to run again, and by several at once (the second waits).

    :raises OneAddressTwice: nothing was changed.
    """
    command.upgrade(config_for(url), "head")


def config_for(url: str) -> Config:
    """Alembic's configuration; the URL goes as it is, since psycopg reads what SQLAlchemy cannot (several hosts)."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["url"] = url
    return config
