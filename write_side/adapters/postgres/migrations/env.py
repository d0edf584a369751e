"""How Alembic connects: one transaction for all migrations, under a lock, so that two at once do not meet."""

import psycopg
from alembic import context
from sqlalchemy import create_engine, text

from shared.event_log.postgres import SESSION
from write_side.adapters.postgres.tables import metadata

_ONE_AT_A_TIME = text("select pg_advisory_xact_lock(x'4D5501'::int)")

url = context.config.attributes["url"]
engine = create_engine("postgresql+psycopg://", creator=lambda: psycopg.connect(url, **SESSION))

with engine.connect() as connection:
    context.configure(connection=connection, target_metadata=metadata)
    with context.begin_transaction():
        connection.execute(_ONE_AT_A_TIME)
        context.run_migrations()
engine.dispose()
