"""A process that cannot do its work says so in one line, and does not start."""

import subprocess

import psycopg
import pytest

from shared.dev_stack.embedded.postgres import EmbeddedPostgres
from tests.support.commands import muster
from tests.support.databases import database_at


def started(*command: str, database_url: str) -> subprocess.CompletedProcess[str]:
    servers = {"MUSTER_DATABASE_URL": database_url, "MUSTER_REDIS_URL": "redis://127.0.0.1:1"}
    return muster("/nowhere", *command, **servers, MUSTER_AUTH="off")


@pytest.fixture
def empty_database(postgres: EmbeddedPostgres) -> str:
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        connection.execute("create database never_migrated")
    return database_at(postgres, "never_migrated")


def test_the_write_side_does_not_start_without_tables(empty_database):
    ended = started("write", database_url=empty_database)

    assert ended.returncode == 1
    assert ended.stderr.splitlines() == ["the database has no event log: run `muster migrate`"]


def test_the_write_side_does_not_start_where_a_crash_could_lose_what_it_promised(database_url):
    """The servers of these tests run without fsync."""
    ended = started("write", database_url=database_url)

    assert ended.returncode == 1
    assert "fsync" in ended.stderr.splitlines()[-1]


def test_migrations_say_that_the_database_is_away():
    ended = started("migrate", database_url="postgresql://muster:secret@127.0.0.1:1/muster")

    assert ended.returncode == 1
    [line] = ended.stderr.splitlines()
    assert line.startswith("PostgreSQL does not answer at postgresql://muster:***@127.0.0.1:1/muster")


def test_a_projector_is_one_process(database_url):
    ended = started("project", "--workers", "2", database_url=database_url)

    assert ended.returncode == 1
    assert ended.stderr.startswith("a projector is one process")
