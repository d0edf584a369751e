"""What every session with PostgreSQL pins when it begins, and what must hold of it."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import psycopg
from psycopg.conninfo import conninfo_to_dict

from shared.errors import Unsound
from shared.postgres.arguments import connect_arguments, hosts_of
from shared.postgres.pooling import gives_sessions_away

PINNED: Mapping[str, str] = {
    "array_nulls": "on",
    "bytea_output": "hex",
    "client_encoding": "UTF8",
    "DateStyle": "ISO, MDY",
    "default_transaction_isolation": "read committed",
    "exit_on_error": "off",
    "extra_float_digits": "1",
    "idle_in_transaction_session_timeout": "0",
    "idle_session_timeout": "0",
    "IntervalStyle": "postgres",
    "lock_timeout": "0",
    "row_security": "off",  # an error is noticed, missing rows are not
    "standard_conforming_strings": "on",
    "statement_timeout": "0",
    "TimeZone": "UTC",
    "transaction_timeout": "0",  # since PostgreSQL 17
    "transform_null_equals": "off",
}
"""
What a result or a promise depends on, whatever the server, the database, the role or the URL says.

Time limits are Muster's own. Not among them is what only superusers may set (`lc_messages`: errors go by codes).
"""

_VALUES = ", ".join(f"('{name}', '{value}')" for name, value in PINNED.items())
BEGIN_SESSION = f"""
    select (select count(set_config(name, pinned, false))
              from (values {_VALUES}) as each (name, pinned)
             where current_setting(name, true) is not null),
           case when current_setting('synchronous_commit') in ('off', 'local', 'remote_write')
                then set_config('synchronous_commit', 'on', false) end,
           case when (select source from pg_settings where name = 'search_path') <> 'client'
                then set_config('search_path', 'public', false) end,
           pg_backend_pid(), current_setting('server_encoding'), current_setting('session_replication_role')"""  # noqa: S608
"""
Pins them; the last three columns are for `findings`.

What is answered is durable: a laxer default is overruled and a stricter one kept. Tables stand in the schema `public`,
or in the one that the URL names (`?options=-csearch_path%3Dpeople`).
"""


class Finding(NamedTuple):
    """One precondition: what was asked, whether it holds, and what to do if not."""

    name: str
    holds: bool
    hint: str


def findings(answer: Sequence[Any], backend_pid: int, url: str) -> list[Finding]:
    """
    Put the answer to `BEGIN_SESSION` into words.

    :param backend_pid: of the server process, as the server said when the connection was made.
    :raises psycopg.OperationalError: it could not be found out.
    """
    *_, process, encoding, role = answer
    return [
        Finding(
            "the database is encoded in UTF8",
            encoding == "UTF8",
            f"{encoding} has no room for all names: name a database made by `create database … encoding 'UTF8' "
            "template template0`",
        ),
        Finding(
            "triggers and foreign keys are in force",
            role != "replica",
            "session_replication_role is replica: reset it for this database and this role",
        ),
        Finding(
            "sessions are kept from one transaction to the next",
            process == backend_pid or not gives_sessions_away(url),
            "a transaction pooler stands in between: connect to PostgreSQL itself, or by one with pool_mode = session",
        ),
    ]


def require_session(answer: Sequence[Any], backend_pid: int, url: str) -> None:
    """
    Look at the answer to `BEGIN_SESSION`; this may take further sessions, and block meanwhile.

    :raises Unsound: nothing can be built on this session.
    """
    require_all(findings(answer, backend_pid, url), Unsound)


def require_all(found: Sequence[Finding], error: type[Unsound]) -> None:
    """Raise an error that names each precondition that does not hold, with its hint."""
    if broken := [each for each in found if not each.holds]:
        raise error("; ".join(f"not true that {each.name}: {each.hint}" for each in broken))


def require_primary(url: str) -> None:
    """
    Say why there is no session with a server that can be reached; do nothing if it cannot.

    Where several hosts are named, one of them may become the primary soon.

    :raises Unsound: it is a standby, or takes no writes.
    """
    if len(hosts_of(conninfo_to_dict(url))) > 1:
        return
    try:
        with psycopg.connect(**{**connect_arguments(url), "target_session_attrs": "any"}) as connection:
            [(is_standby,)] = connection.execute("select pg_is_in_recovery()").fetchall()
            [(is_read_only,)] = connection.execute("select current_setting('transaction_read_only')::bool").fetchall()
    except psycopg.OperationalError:
        return
    if is_standby:
        raise Unsound("PostgreSQL is a standby: name the primary in MUSTER_DATABASE_URL, or all hosts there are")
    if is_read_only:
        raise Unsound("PostgreSQL takes no writes: reset default_transaction_read_only for this database and this role")
