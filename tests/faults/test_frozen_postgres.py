"""A PostgreSQL that is alive and does not answer, which no keepalive tells from one that thinks."""

import asyncio
import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import psycopg
import pytest

from shared.event_log.postgres import connected
from shared.stack.postgres import EmbeddedPostgres
from tests.support.write_side import ANDRE, postgres_write_side
from write_side.adapters.postgres import transactions
from write_side.errors import StorageUnavailable

pytestmark = pytest.mark.anyio


@contextmanager
def frozen(server: EmbeddedPostgres) -> Iterator[None]:
    """Stop the server and all its sessions, as a hung disk would, and let them go on."""
    with psycopg.connect(server.url, autocommit=True) as connection:
        others = connection.execute("select pid from pg_stat_activity where pid <> pg_backend_pid()").fetchall()
    pids = [server.pid, *(pid for (pid,) in others)]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


async def test_a_frozen_database_is_given_up_in_time(postgres, database_url, monkeypatch):
    """The command is answered, nothing of it takes effect later, and the next one is carried out after the thaw."""
    monkeypatch.setattr(transactions, "TRANSACTION_SECONDS", 0.5)
    async with postgres_write_side(database_url) as write_side:
        await write_side.run("register-account", **ANDRE)

        with frozen(postgres):
            async with asyncio.timeout(30):
                with pytest.raises(StorageUnavailable):
                    await write_side.run("suspend-account", account="@andre.carson")

        await write_side.run("suspend-account", account="@andre.carson")
        assert len(await write_side.events()) == 3


async def test_a_connection_is_closed_though_the_database_is_frozen(postgres, database_url):
    """Nobody waits for the end of its transaction, or is cancelled meanwhile and leaves it open."""
    with ExitStack() as thawed_later:
        async with asyncio.timeout(10), connected(database_url) as connection:
            await connection.execute("select 1")
            thawed_later.enter_context(frozen(postgres))

        assert connection.closed
