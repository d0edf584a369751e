"""A PostgreSQL that is alive and does not answer, which no TCP keepalive distinguishes from a busy one."""

import asyncio
from contextlib import ExitStack

import psycopg
import pytest

from shared.dev_stack.embedded.postgres import EmbeddedPostgres
from shared.errors import Unavailable
from shared.event_log.adapters.postgres import PostgresEventLog
from shared.postgres.arguments import PostgresLimits
from shared.postgres.connection import connected
from tests.support.processes import frozen
from tests.support.write_side import ANDRE, context, postgres_write_side
from write_side.adapters.postgres.connections.transactions import TransactionLimits
from write_side.domain.errors import AccountNotFound
from write_side.domain.references import AccountRef

HASTY = TransactionLimits(seconds=0.5)


def server_and_sessions(server: EmbeddedPostgres) -> set[int]:
    """The server and all its sessions."""
    with psycopg.connect(server.url, autocommit=True) as connection:
        others = connection.execute("select pid from pg_stat_activity where pid <> pg_backend_pid()").fetchall()
    return {server.pid, *(pid for (pid,) in others)}


async def test_a_frozen_database_is_given_up_in_time(postgres, database_url):
    """The command is answered, nothing of it takes effect later, and the next one is carried out after the thaw."""
    async with postgres_write_side(f"{database_url}?connect_timeout=2", limits=HASTY) as write_side:
        await write_side.run("register-account", **ANDRE)

        with frozen(server_and_sessions(postgres)):
            async with asyncio.timeout(30):
                with pytest.raises(Unavailable):
                    await write_side.run("suspend-account", account="@andre.carson")

        await write_side.run("suspend-account", account="@andre.carson")
        assert len(await write_side.events()) == 3


async def test_a_connection_is_closed_though_the_database_is_frozen(postgres, database_url):
    """Nothing waits for the end of its transaction, or is cancelled meanwhile and leaves it open."""
    with ExitStack() as thawed_later:
        async with asyncio.timeout(30), connected(database_url) as connection:
            await connection.execute("select 1")
            thawed_later.enter_context(frozen(server_and_sessions(postgres)))

        assert connection.closed


async def test_a_rollback_is_given_up_in_time(postgres, database_url):
    """Of a command that was refused; what waits for its connection and its permit waits no longer."""
    async with postgres_write_side(database_url, limits=HASTY) as write_side:
        with ExitStack() as thawed_later:

            def freeze():
                thawed_later.enter_context(frozen(server_and_sessions(postgres)))

            async with asyncio.timeout(30):
                with pytest.raises(Unavailable):
                    await refused_in(write_side.units, freeze)


async def refused_in(units, happens):
    """What a use case does that refuses; something happens just before."""
    async with units.under(context("suspend-account")):
        happens()
        raise AccountNotFound(AccountRef.parse("handle:ada"))


async def test_a_reader_gives_a_frozen_log_up_in_time(postgres, database_url):
    """So that it looks for the server that has taken its place."""
    log = PostgresEventLog(database_url, allow_unsafe=True, postgres=PostgresLimits(answer_seconds=0.5))
    with ExitStack() as thawed_later:
        async with asyncio.timeout(30), log.connect() as reader:
            thawed_later.enter_context(frozen(server_and_sessions(postgres)))
            with pytest.raises(Unavailable):
                await reader.read(after=0, limit=1)
