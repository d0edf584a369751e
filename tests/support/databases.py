"""Databases on one server, which tests take turns with, and the data of servers as it is before their first start."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg
from psycopg.sql import SQL

from shared.dev_stack.embedded.postgres import EmbeddedPostgres
from write_side.adapters.postgres.migrate import migrate

TEMPLATE = "migrated"
TABLES = ["accounts", "profiles", "groups", "memberships", "command_log", "event_log", "deliveries", "webhooks"]
EMPTY = f"""
    set session_replication_role = replica;
    alter table event_log disable trigger event_log_is_immutable;
    {";".join(f"delete from {each}" for each in TABLES)};
    alter table event_log enable always trigger event_log_is_immutable"""
"""To truncate few rows costs far more than to delete them."""
KEPT = ["alembic_version", "installation", "reaction_checkpoint"]
FROM_THE_BEGINNING = """
    select setval(format('%I.%I', schemaname, sequencename), 1, false) from pg_sequences;
    update reaction_checkpoint set position = 0"""
OTHERS_ENDED = """
    select pg_terminate_backend(pid, 10000) from pg_stat_activity
     where datname = current_database() and pid <> pg_backend_pid()"""
SCHEMA = """
    select md5(string_agg(each, ' ' order by each)) from (
        select concat_ws(' ', oid, xmin, ctid) from pg_class where oid >= 16384
        union all select concat_ws(' ', attrelid, attnum, xmin, ctid) from pg_attribute where attrelid >= 16384
        union all select concat_ws(' ', oid, xmin, ctid) from pg_proc where oid >= 16384
        union all select concat_ws(' ', oid, xmin, ctid) from pg_constraint where oid >= 16384
        union all select to_jsonb(t)::text from pg_trigger t
        union all select to_jsonb(s)::text from pg_sequence s
        union all select to_jsonb(n)::text from pg_namespace n where nspname not like 'pg_%'
        union all select to_jsonb(p)::text from pg_publication p
        union all select to_jsonb(s)::text from pg_db_role_setting s
        union all select concat_ws(' ', datacl, datconnlimit, datdba) from pg_database
          where datname = current_database()
        union all select to_jsonb(v)::text from alembic_version v
        union all select to_jsonb(i)::text from installation i
    ) as everything (each)"""
"""A digest of all that a test may change beside the rows of tables: a row of a catalog that was changed has moved."""


def database_at(server: EmbeddedPostgres, name: str) -> str:
    """The URL of another database on the same server."""
    return server.url.rpartition("/")[0] + f"/{name}"


class Databases:
    """Migrated and empty databases; one whose schema a test changed is dropped, any other is emptied and used again."""

    def __init__(self, server: EmbeddedPostgres) -> None:
        self._server = server
        self._numbers = count(1)
        self._empty: list[tuple[str, psycopg.Connection]] = []
        self._on_server(f"create database {TEMPLATE}")
        migrate(database_at(server, TEMPLATE))
        with psycopg.connect(database_at(server, TEMPLATE)) as connection:
            self._schema = connection.execute(SCHEMA).fetchone()
            tables = connection.execute("select tablename from pg_tables where schemaname = 'public'").fetchall()
        assert {name for (name,) in tables} == {*TABLES, *KEPT}, "each is emptied, or kept as it is"

    @contextmanager
    def lent(self) -> Iterator[str]:
        """The URL of a database that nobody else uses meanwhile."""
        name, ours = self._empty.pop() if self._empty else self._made()
        yield database_at(self._server, name)
        if self._is_as_it_was(ours):
            self._empty.append((name, ours))
        else:
            ours.close()
            self._on_server(f"drop database if exists {name} with (force)")

    def close(self) -> None:
        for _, ours in self._empty:
            ours.close()

    def _made(self) -> tuple[str, psycopg.Connection]:
        """Return a database, and what empties it: each new connection would read the whole schema again."""
        name = f"test_{next(self._numbers)}"
        self._on_server(f"create database {name} template {TEMPLATE}")
        return name, psycopg.connect(database_at(self._server, name), autocommit=True, prepare_threshold=None)

    def _is_as_it_was(self, ours: psycopg.Connection) -> bool:
        try:
            ours.execute(OTHERS_ENDED)
            if ours.execute(SCHEMA).fetchone() != self._schema:
                return False
            ours.execute(EMPTY)
            ours.execute(FROM_THE_BEGINNING)
        except psycopg.Error:
            return False
        return True

    def _on_server(self, statement: str) -> None:
        with psycopg.connect(self._server.url, autocommit=True) as connection:
            connection.execute(statement)


def with_data(directory: Path) -> Path:
    """Give the directory of a server what it would make by itself, which takes long; return the directory."""
    directory.mkdir(mode=0o700, parents=True)
    subprocess.run(["cp", "--archive", f"{_made().name}/cluster", directory], check=True)
    return directory


@cache
def _made() -> TemporaryDirectory[str]:
    directory = TemporaryDirectory(prefix="muster-cluster-")
    with EmbeddedPostgres(Path(directory.name), durable=False) as server, psycopg.connect(server.url) as connection:
        _make_quick_to_enter(connection)
    return directory


def _make_quick_to_enter(connection: psycopg.Connection) -> None:
    """Store the password so that a client hashes it once, not 4,096 times, for 4 ms of each connection."""
    connection.execute("set scram_iterations = 1")
    connection.execute(SQL("alter role current_user password {}").format(connection.info.password))
