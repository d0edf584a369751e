"""Compare the database's tables with those that this version of Muster works with."""

from collections.abc import Sequence

import psycopg
from alembic.config import Config
from alembic.script import ScriptDirectory

SCRIPTS = "write_side:adapters/postgres/migrations"
"""Found by name, as the command line finds its commands: nothing shared imports the write side."""


def pending_migrations(connection: psycopg.Connection) -> Sequence[str]:
    """Return the revisions that `muster migrate` would apply, the next one first."""
    configuration = Config()
    configuration.set_main_option("script_location", SCRIPTS)
    scripts = ScriptDirectory.from_config(configuration)
    applied = tuple(revision for (revision,) in connection.execute("select version_num from alembic_version"))
    missing = scripts.iterate_revisions("heads", applied or "base")
    return [script.revision for script in missing][::-1]
