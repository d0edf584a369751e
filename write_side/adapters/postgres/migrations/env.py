"""How Alembic connects: one transaction for all migrations, under a lock, so that two at once do not meet."""

from alembic import context
from sqlalchemy import create_engine, text

from shared.postgres.connection import connect_arguments
from write_side.adapters.postgres.tables import metadata

_ONE_AT_A_TIME = text("select pg_advisory_xact_lock(x'4D5501'::int)")

engine = create_engine("postgresql+psycopg://", connect_args=connect_arguments(context.config.attributes["url"]))

with engine.connect() as connection:
    context.configure(connection=connection, target_metadata=metadata)
    with context.begin_transaction():
        connection.execute(_ONE_AT_A_TIME)
        context.run_migrations()
engine.dispose()
