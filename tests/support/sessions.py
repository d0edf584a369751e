"""Sessions with PostgreSQL that begin a transaction, do something and idle."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from write_side.adapters.postgres.migrate import migrate

_APPEND = """
    insert into event_log (event_id, aggregate, aggregate_id, version, type, schema, data, metadata, occurred_at)
    values (gen_random_uuid(), 'account', gen_random_uuid(), 1, 'account-closed', 1, '{}', %s, now())
    returning position"""


def append(connection: psycopg.Connection, *, metadata: str = "{}") -> int:
    """Append an event in the transaction of a session; return its position."""
    [(position,)] = connection.execute(_APPEND, (metadata,)).fetchall()
    return int(position)


@contextmanager
def log_held(database_url: str) -> Iterator[int]:
    """Have appended to the event log, which holds its readers up; gives the server process. Rolls back in the end."""
    with psycopg.connect(database_url) as connection:
        append(connection)
        yield connection.info.backend_pid
        connection.rollback()


@contextmanager
def stranger(database_url: str) -> Iterator[None]:
    """Have written a table that is none of Muster's, in a transaction that is still open in the end."""
    with psycopg.connect(database_url) as connection:
        connection.execute("create table foreign_work (n int)")
        connection.execute("insert into foreign_work values (1)")
        yield
        assert connection.info.transaction_status is psycopg.pq.TransactionStatus.INTRANS
        assert connection.execute("select n from foreign_work").fetchall() == [(1,)]
        connection.rollback()


@contextmanager
def another_database(database_url: str) -> Iterator[str]:
    """The URL of an empty database on the same server."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("create database another")
        try:
            yield database_url.rpartition("/")[0] + "/another"
        finally:
            connection.execute("drop database another with (force)")


@contextmanager
def migrated_database(database_url: str) -> Iterator[str]:
    """The URL of another one, which has the tables of Muster."""
    with another_database(database_url) as url:
        migrate(url)
        yield url
