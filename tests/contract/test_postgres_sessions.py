"""Every session with PostgreSQL pins what a result or a promise depends on, whatever the database says."""

import psycopg
import pytest
from sqlalchemy import text

from shared.postgres.connection import connected
from write_side.adapters.postgres.transactions import create_engine

pytestmark = pytest.mark.anyio

INHERITED = {
    "default_transaction_isolation": "serializable",
    "statement_timeout": "1min",
    "lock_timeout": "1min",
    "idle_in_transaction_session_timeout": "1min",
    "synchronous_commit": "off",
}
PINNED = dict(zip(INHERITED, ("read committed", "0", "0", "0", "on"), strict=True))
SHOW = "select name, current_setting(name) from unnest(cast(%s as text[])) as name"


@pytest.fixture
def lax_url(database_url):
    """A database whose sessions inherit what Muster cannot work with."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        for name, value in INHERITED.items():
            connection.execute(f"alter database {connection.info.dbname} set {name} = '{value}'")
    return database_url


async def test_a_session_inherits_nothing(lax_url):
    async with connected(lax_url) as connection:
        settings = dict(await (await connection.execute(SHOW, (list(INHERITED),))).fetchall())

    assert settings == PINNED


async def test_a_transaction_of_the_write_side_inherits_nothing(lax_url):
    """But that an idle one is ended by the server, too, if its process is gone."""
    engine = create_engine(lax_url, allow_unsafe=True)
    async with engine.connect() as connection:
        rows = await connection.execute(text(SHOW.replace("%s", ":names")), {"names": list(INHERITED)})
        settings = dict(map(tuple, rows))
    await engine.dispose()

    assert settings == {**PINNED, "idle_in_transaction_session_timeout": "10s"}


async def test_a_stricter_durability_is_kept(database_url):
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(f"alter database {connection.info.dbname} set synchronous_commit = 'remote_apply'")

    async with connected(database_url) as connection:
        row = await (await connection.execute("show synchronous_commit")).fetchone()

    assert row == ("remote_apply",)
