"""Telling a pooler that gives a session away after each transaction from a server, or a pooler that keeps sessions."""

from functools import cache

import psycopg

from shared.postgres.arguments import connect_arguments

ROUNDS = 3
"""A pooler gives away the server process that was freed last, or the one that is idle longest: either shows in two."""


@cache
def gives_sessions_away(url: str) -> bool:
    """
    Tell whether another session can have the server process of one that is idle.

    :raises psycopg.OperationalError: there is no connection to be had.
    """
    arguments = {**connect_arguments(url), "autocommit": True, "prepare_threshold": None}
    with psycopg.connect(**arguments) as idle, psycopg.connect(**arguments) as busy:
        return any(_is_given_away(idle, to=busy) for _ in range(ROUNDS))


def _is_given_away(idle: psycopg.Connection, *, to: psycopg.Connection) -> bool:
    held = _process_of(idle)
    try:
        with to.transaction():
            if _process_of(to) == held:
                return True
    except psycopg.Error:  # a pooler of single statements has no transactions
        return True
    return _process_of(idle) != held


def _process_of(connection: psycopg.Connection) -> int:
    [(process,)] = connection.execute("select pg_backend_pid()").fetchall()
    return int(process)
