"""Every session with PostgreSQL pins what a result or a promise depends on, whatever stands around it."""

import asyncio

import psycopg
import pytest
from sqlalchemy import text

from shared.dev_stack.doctor.checks import FAILED
from shared.dev_stack.doctor.postgres import examine_postgres
from shared.errors import Unavailable, Unsound
from shared.postgres.connection import connected, reachable
from shared.postgres.session import PINNED
from tests.contract.pooler import pooler
from tests.hostile.variables import LIBPQ
from tests.support.databases import database_at
from tests.support.write_side import ANDRE, postgres_write_side
from write_side.adapters.postgres.connections.transactions import create_engine
from write_side.adapters.postgres.migrate import migrate

HOSTILE = {
    "array_nulls": "off",
    "bytea_output": "escape",
    "client_encoding": "LATIN1",
    "DateStyle": "German, DMY",
    "default_transaction_isolation": "serializable",
    "exit_on_error": "on",
    "extra_float_digits": "-15",
    "idle_in_transaction_session_timeout": "1min",
    "idle_session_timeout": "1min",
    "IntervalStyle": "sql_standard",
    "lock_timeout": "1min",
    "row_security": "on",
    "search_path": "elsewhere",
    "standard_conforming_strings": "off",
    "statement_timeout": "1min",
    "synchronous_commit": "off",
    "TimeZone": "Asia/Kathmandu",
    "transaction_timeout": "1min",
    "transform_null_equals": "on",
}
EXPECTED = {**PINNED, "search_path": "public", "synchronous_commit": "on"}
SHOW = "select name, current_setting(name) from unnest(cast(%s as text[])) as name"


@pytest.fixture(params=["database", "role", "environment"])
def hostile_url(request, database_url, monkeypatch):
    """A database whose sessions inherit what Muster cannot work with, from itself, a role or the environment."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("create schema elsewhere")
        of_database = f"database {connection.info.dbname}"
        match request.param:
            case "database":
                _set(connection, of_database)
                yield database_url
            case "role":
                connection.execute("create role inheriting superuser login password 'p'")
                _set(connection, f"role inheriting in {of_database}")
                yield database_url.replace(f"muster:{connection.info.password}@", "inheriting:p@")
                connection.execute("drop role inheriting")
            case "environment":
                options = " ".join(f"-c {name}={value.replace(' ', '')}" for name, value in HOSTILE.items())
                for name, value in {**LIBPQ, "PGOPTIONS": options}.items():
                    monkeypatch.setenv(name, value)
                yield database_url


def _set(connection, whose):
    for name, value in HOSTILE.items():
        connection.execute(f"alter {whose} set {name} = '{value}'")


async def test_a_session_inherits_nothing(hostile_url):
    async with connected(hostile_url) as connection:
        settings = dict(await (await connection.execute(SHOW, (list(HOSTILE),))).fetchall())

    assert settings == EXPECTED


async def test_a_transaction_of_the_write_side_inherits_nothing(hostile_url):
    """But that an idle one is ended by the server, too, if its process is gone."""
    engine = create_engine(hostile_url, allow_unsafe=True)
    async with engine.connect() as connection:
        rows = await connection.execute(text(SHOW.replace("%s", ":names")), {"names": list(HOSTILE)})
        settings = dict(map(tuple, rows))
    await engine.dispose()

    assert settings == {**EXPECTED, "idle_in_transaction_session_timeout": "10s"}


async def test_everybody_can_be_registered_and_read_back_whatever_is_inherited(hostile_url):
    async with postgres_write_side(hostile_url) as write_side:
        await write_side.run("register-account", **{**ANDRE, "display_name": "김철수 Łukasz"})
        *_, created = await write_side.events()

    assert created.event.display_name == "김철수 Łukasz"
    assert created.occurred_at == write_side.clock.now()


def test_migrations_inherit_nothing(hostile_url):
    """The tables stay where they are."""
    migrate(hostile_url)

    with psycopg.connect(hostile_url) as connection:
        found = connection.execute("select relnamespace::regnamespace::text from pg_class where relname = 'event_log'")
        assert found.fetchall() == [("public",)]


async def test_a_schema_that_the_url_names_is_used(database_url):
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("create schema people")

    async with connected(f"{database_url}?options=-csearch_path%3Dpeople") as connection:
        assert await (await connection.execute("show search_path")).fetchone() == ("people",)


async def test_a_second_log_is_not_made_beside_the_first(database_url):
    """Before a schema had to be named, the role or the database may have named one."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("alter schema public rename to people")
        connection.execute("create schema public")

    with pytest.raises(Unsound, match="the event log stands in the schema people: name it"):
        migrate(database_url)


async def test_a_stricter_durability_is_kept(database_url):
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(f"alter database {connection.info.dbname} set synchronous_commit = 'remote_apply'")

    async with connected(database_url) as connection:
        row = await (await connection.execute("show synchronous_commit")).fetchone()

    assert row == ("remote_apply",)


@pytest.fixture(params=["LATIN1", "SQL_ASCII", "WIN1252"])
def narrow_url(request, postgres):
    """An empty database without room for all names."""
    name = f"narrow_{request.param.lower()}"
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        made = f"create database {name} encoding '{request.param}' locale 'C' locale_provider libc template template0"
        connection.execute(made)
        yield database_at(postgres, name)
        connection.execute(f"drop database {name} with (force)")


async def test_a_database_without_room_for_all_names_is_refused(narrow_url):
    with pytest.raises(Unsound, match=r"not true that the database is encoded in UTF8: .*encoding 'UTF8'"):
        migrate(narrow_url)
    with pytest.raises(Unsound, match="encoded in UTF8"):
        async with connected(narrow_url):
            pytest.fail("it must not be used")
    assert "the database is encoded in UTF8" in failed(narrow_url)


async def test_where_triggers_are_not_in_force_nothing_is_done(database_url):
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(f"alter database {connection.info.dbname} set session_replication_role = 'replica'")

    with pytest.raises(Unsound, match="session_replication_role is replica"):
        async with connected(database_url):
            pytest.fail("it must not be used")


def failed(url, *, sessions=13):
    """What the doctor finds wrong."""
    return {check.what for check in examine_postgres(url, sessions=sessions) if check.mark == FAILED}


async def test_more_sessions_than_there_can_be_are_found(database_url):
    """The server of these tests takes 200, three of them from superusers alone."""
    assert {each for each in failed(database_url, sessions=196) if "sessions" in each} == set()
    assert "it takes 197 sessions, of which the write API opens 197" in failed(database_url, sessions=197)


async def test_a_pooler_of_transactions_is_refused(database_url):
    """By readers, by the write side, by migrations and by the doctor."""
    async with pooler(database_url) as pooled, postgres_write_side(pooled) as write_side:
        with pytest.raises(Unsound, match="a transaction pooler stands in between: connect to PostgreSQL itself"):
            async with connected(pooled):
                pytest.fail("it must not be used")
        with pytest.raises(Unavailable, match="a transaction pooler"):
            await write_side.run("register-account", **ANDRE)
        with pytest.raises(Unsound, match="a transaction pooler"):
            await asyncio.to_thread(migrate, pooled)
        assert "sessions are kept from one transaction to the next" in await asyncio.to_thread(failed, pooled)


async def test_a_pooler_of_sessions_is_none(database_url):
    """Although it has keys of its own, and a server may have waited for its client before."""
    async with pooler(database_url, keeps_sessions=True) as pooled, postgres_write_side(pooled) as write_side:
        await write_side.run("register-account", **ANDRE)

        assert len(await write_side.events()) == 2


async def test_a_session_that_may_write_no_more_is_as_good_as_lost(database_url):
    """Under an open session a server can become read-only: another one is looked for."""
    async with connected(database_url, autocommit=True) as connection:
        await connection.execute("set default_transaction_read_only = on")

        with pytest.raises(Unavailable, match="read-only"), reachable():
            await connection.execute("create table late ()")
