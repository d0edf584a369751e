"""How Alembic connects: one transaction for all migrations, under a lock, so that two at once do not meet."""

from typing import Any

from alembic import context
from sqlalchemy import NullPool, create_engine, event, text

from shared.errors import Unsound
from shared.postgres.arguments import connect_arguments
from shared.postgres.session import BEGIN_SESSION, require_session
from write_side.adapters.postgres.tables import metadata

_ONE_AT_A_TIME = text("select pg_advisory_xact_lock(x'4D5501'::int)")
_ELSEWHERE = text("""
    select relnamespace::regnamespace::text from pg_class
     where relname = 'event_log' and relkind = 'r' and to_regclass('event_log') is null""")

url = context.config.attributes["url"]
engine = create_engine("postgresql+psycopg://", poolclass=NullPool, connect_args=connect_arguments(url))


@event.listens_for(engine, "connect")
def prepare(connection: Any, _: Any) -> None:
    try:
        connection.autocommit = True
        answer = connection.execute(BEGIN_SESSION).fetchone()
        require_session(answer or (), connection.info.backend_pid, url)
        connection.autocommit = False
    except BaseException:
        connection.close()
        raise


with engine.connect() as connection:
    context.configure(connection=connection, target_metadata=metadata)
    with context.begin_transaction():
        connection.execute(_ONE_AT_A_TIME)
        if schema := connection.execute(_ELSEWHERE).scalar():
            raise Unsound(
                f"the event log stands in the schema {schema}: name it in MUSTER_DATABASE_URL, as "
                f"?options=-csearch_path%3D{schema}, or drop it"
            )
        context.run_migrations()
