"""Check a PostgreSQL for `muster doctor`."""

from collections.abc import Iterator, Sequence
from typing import Any

import psycopg
from alembic.config import Config
from alembic.script import ScriptDirectory
from psycopg.conninfo import conninfo_to_dict

from shared.dev_stack.doctor.checks import CONNECT_SECONDS, FAILED, OK, WARNING, Check, check
from shared.errors import Unsound
from shared.event_log import preconditions
from shared.postgres.arguments import connect_arguments, hosts_of
from shared.postgres.session import BEGIN_SESSION, findings, require_primary
from shared.settings import masked
from shared.wording import counted

OLDEST_POSTGRES = 15
MIGRATIONS = "write_side:adapters/postgres/migrations"
"""Found by name, as the command line finds its commands: nothing shared imports the write side."""


_MOST_SESSIONS = """
    select current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
        - coalesce(current_setting('reserved_connections', true)::int, 0)"""

_STANDBYS = """
    select count(*), count(*) filter (where sync_state in ('sync', 'quorum')),
           count(*) filter (where sync_state is null)
      from pg_stat_replication where state is distinct from 'backup'"""
"""The last are those of which only `pg_monitor` may see more."""


def examine_postgres(url: str, *, sessions: int) -> Iterator[Check]:
    """:param sessions: how many the write API opens at most."""
    try:
        arguments = {**connect_arguments(url), "connect_timeout": CONNECT_SECONDS}
        with psycopg.connect(autocommit=True, **arguments) as connection:
            yield Check(OK, f"PostgreSQL answers at {masked(url)}")
            yield from _session(connection, url)
            yield from _postgres_settings(connection, sessions)
            yield from _failing_over(connection, url)
            yield from _event_log(connection)
    except psycopg.Error as error:
        yield Check(FAILED, f"PostgreSQL at {masked(url)}", _why_not(url, error))


def _why_not(url: str, error: psycopg.Error) -> str:
    try:
        require_primary(url)
    except Unsound as unsound:
        return str(unsound)
    return f"{' '.join(str(error).split())}; start it, or mend MUSTER_DATABASE_URL"


def _session(connection: psycopg.Connection, url: str) -> Iterator[Check]:
    hint = "Muster's own sessions set it; other clients of this database may lose what was acknowledged"
    level = _value(connection, "select current_setting('synchronous_commit')")
    yield check(level not in {"off", "local"}, f"synchronous_commit is {level}", hint, otherwise=WARNING)
    answer = connection.execute(BEGIN_SESSION).fetchone()
    found = findings(answer or (), connection.info.backend_pid, url)
    yield from (check(each.holds, each.name, each.hint) for each in found)


def _postgres_settings(connection: psycopg.Connection, sessions: int) -> Iterator[Check]:
    version = connection.info.server_version // 10_000
    yield check(version >= OLDEST_POSTGRES, f"PostgreSQL is {version}", f"{OLDEST_POSTGRES} or newer is needed")
    most = _value(connection, _MOST_SESSIONS)
    what = f"it takes {most} sessions, of which the write API opens {sessions}"
    yield check(sessions < most, what, "raise max_connections, or lower MUSTER_WORKERS")


def _failing_over(connection: psycopg.Connection, url: str) -> Iterator[Check]:
    """Say what follows the primary, where anything does or several hosts are named."""
    [(standbys, synchronous, unseen)] = connection.execute(_STANDBYS).fetchall()
    if not standbys and len(hosts_of(conninfo_to_dict(url))) == 1:
        return
    what = f"{connection.info.host}:{connection.info.port} is the primary of {counted(standbys, 'standby')}"
    if unseen:
        yield Check(OK, f"{what}; whether one is synchronous, only pg_monitor may see")
    else:
        hint = "a failover loses what was acknowledged: let a standby be synchronous (docs/operations/failover.md)"
        yield check(synchronous > 0, f"{what}, {synchronous} of them synchronous", hint, otherwise=WARNING)


def examine_standby(url: str) -> Iterator[Check]:
    """Check what rebuilds and verifications read in place of the primary; without it they read that."""
    arguments = {**connect_arguments(url), "connect_timeout": CONNECT_SECONDS, "target_session_attrs": "standby"}
    try:
        with psycopg.connect(autocommit=True, **arguments) as connection:
            behind = _value(connection, "select now() - pg_last_xact_replay_timestamp()")
            yield Check(OK, f"a standby answers at {masked(url)}; its last transaction is {behind} old")
    except psycopg.Error as error:
        hint = f"{' '.join(str(error).split())}; rebuilds and verifications read the primary meanwhile"
        yield Check(WARNING, f"standby at {masked(url)}", hint)


def _event_log(connection: psycopg.Connection) -> Iterator[Check]:
    if _value(connection, "select to_regclass('event_log')") is None:
        yield Check(FAILED, "the tables are there", "run `muster migrate`")
        return
    pending = pending_migrations(connection)
    yield check(not pending, "migrations are current", f"run `muster migrate` for {', '.join(pending)}")
    row = connection.execute(preconditions.PRECONDITIONS).fetchone()
    yield from (check(each.holds, each.name, each.hint) for each in preconditions.findings(row or ()))


def pending_migrations(connection: psycopg.Connection) -> Sequence[str]:
    """Return the revisions that `muster migrate` would apply, the next one first."""
    configuration = Config()
    configuration.set_main_option("script_location", MIGRATIONS)
    scripts = ScriptDirectory.from_config(configuration)
    applied = tuple(revision for (revision,) in connection.execute("select version_num from alembic_version"))
    missing = scripts.iterate_revisions("heads", applied or "base")
    return [script.revision for script in missing][::-1]


def _value(connection: psycopg.Connection, query: str) -> Any:
    row = connection.execute(query).fetchone()
    return row[0] if row else None
