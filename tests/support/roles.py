"""Servers shared out as `docs/roles` has it: each process under a role of PostgreSQL and a user of Redis of its own."""

from pathlib import Path

import psycopg

from shared.dev_stack.embedded.redis import EmbeddedRedis

ROLES = Path(__file__).parents[2] / "docs" / "roles"
OWNER = "muster_migrate"
PROCESSES = ("muster_write", "muster_project", "muster_prove")
PASSWORD = "of-a-role"


def make_owner(database_url: str) -> None:
    """:param database_url: of a superuser."""
    _run("postgresql-owner.sql", database_url, OWNER)


def make_roles(database_url: str) -> None:
    """:param database_url: of a superuser; the tables are there."""
    _run("postgresql.sql", database_url, *PROCESSES)


def as_role(database_url: str, role: str) -> str:
    """The URL of a database for a role."""
    with psycopg.connect(database_url) as connection:
        about = connection.info
        return f"postgresql://{role}:{PASSWORD}@{about.host}:{about.port}/{about.dbname}"


def users() -> dict[str, str]:
    """The users as settings of a server, each with the password that the file has."""
    lines = (line.split() for line in (ROLES / "redis.acl").read_text().splitlines())
    return {f"{user} {name}": " ".join(rules) for user, name, *rules in lines}


def as_user(server: EmbeddedRedis, user: str) -> str:
    """
    The URL of a server for a user.

    :param user: without the `muster-` that all begin with.
    """
    return f"redis://muster-{user}:{user.upper()}@127.0.0.1:{server.port}/0"


def _run(file: str, database_url: str, *roles: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as superuser:
        superuser.execute((ROLES / file).read_text())
        for role in roles:
            superuser.execute(f"alter role {role} password '{PASSWORD}'")
