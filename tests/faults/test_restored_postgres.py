"""PostgreSQL comes back from a backup with less than was projected, and grows again: refused, with a way back."""

import asyncio
from typing import Any

import httpx
import psycopg
from psycopg import sql

from tests.support.commands import muster
from tests.support.oracle import assert_directory_is_what_the_log_tells
from tests.support.patience import not_behind, until
from tests.support.people import registration
from tests.support.stack import Stack

PROJECTIONS = ("profiles", "groups", "activity", "stats", "changes")


class Database:
    """The database of a stack, which can be put back to where it was, as from a backup."""

    def __init__(self, stack: Stack) -> None:
        self._url = stack.addresses.database_url
        self._name = psycopg.conninfo.conninfo_to_dict(self._url)["dbname"]

    def back_up(self) -> None:
        self._without_sessions("create database the_backup template {database}")

    def restore(self) -> None:
        self._without_sessions(
            "alter database {database} rename to what_was_lost", "alter database the_backup rename to {database}"
        )

    def _without_sessions(self, *statements: str) -> None:
        """What needs that nobody is connected."""
        admin = psycopg.conninfo.make_conninfo(self._url, dbname="postgres")
        with psycopg.connect(admin, autocommit=True) as connection:
            self._allow(connection, connections=False)
            connection.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity where datname = %s", [self._name]
            )
            for statement in statements:
                connection.execute(sql.SQL(statement).format(database=sql.Identifier(self._name)))
            self._allow(connection, connections=True)

    def _allow(self, connection: psycopg.Connection, *, connections: bool) -> None:
        connection.execute("update pg_database set datallowconn = %s where datname = %s", [connections, self._name])


async def register(stack: Stack, *names: str) -> int:
    """Register people, however long it takes until the write side is back; returns the last position."""
    async with stack.client(stack.addresses.write) as client:
        for name in names:
            ask = {"json": registration(name), "headers": {"Idempotency-Key": name}}
            # The sessions of its pool were ended.
            answer = await not_behind(lambda ask=ask: client.post("/commands/register-account", **ask))
            assert answer.status_code == 200, answer.text
    return int(answer.headers["Muster-Position"])


async def read(stack: Stack, path: str, *, position: int = 0) -> httpx.Response:
    async with stack.client(stack.addresses.read) as client:
        return await client.get(path, headers={"Muster-Min-Position": str(position)})


async def is_read(stack: Stack, path: str, *, position: int) -> bool:
    return (await read(stack, path, position=position)).status_code == 200


async def projections(stack: Stack) -> list[dict[str, Any]]:
    told: list[dict[str, Any]] = (await stack.status())["projections"]
    return told


async def projections_in(stack: Stack, state: str) -> list[dict[str, Any]]:
    """All of them, once all are in this state."""
    found = await projections(stack)
    return found if {each["state"] for each in found} == {state} else []


async def has_come_to(stack: Stack, position: int) -> bool:
    """Whether all projections have: one that had not would have nothing to do with what is lost."""
    return all((each["checkpoint"] or 0) >= position for each in await projections(stack))


async def test_a_log_that_is_not_the_one_projected_is_refused_until_it_is_projected_anew(mortal_stack):
    """
    It has grown past the checkpoint with other events: going on would mix two histories.

    Who waits for what is new is told so, and nothing of the new log is shown before the rebuild is forced.
    """
    database = Database(mortal_stack)
    await register(mortal_stack, "kept-0", "kept-1")
    database.back_up()
    lost = await register(mortal_stack, *(f"lost-{number}" for number in range(5)))
    # The projector's sessions were ended too, and it finds its way back in its own time.
    await until(lambda: has_come_to(mortal_stack, lost))
    assert (await read(mortal_stack, "/profiles/by-handle/lost-4")).status_code == 200

    database.restore()
    grown = await register(mortal_stack, *(f"new-{number}" for number in range(8)))
    assert grown > lost

    stopped = await until(lambda: projections_in(mortal_stack, "stopped"))
    errors = [each["error"] for each in stopped]
    assert all("the log is not the one that was projected" in each for each in errors)
    assert all(f"`muster rebuild {name} --force`" in each for name, each in zip(PROJECTIONS, errors, strict=True))
    assert (await read(mortal_stack, "/profiles/by-handle/new-0")).status_code == 404
    assert (await read(mortal_stack, "/profiles/by-handle/new-0", position=grown)).status_code == 503

    rebuilt = await asyncio.to_thread(muster, mortal_stack.home, "rebuild", "--all", "--force")

    assert rebuilt.returncode == 0, rebuilt.stderr
    await until(lambda: is_read(mortal_stack, "/profiles/by-handle/new-7", position=grown))
    assert (await read(mortal_stack, "/profiles/by-handle/lost-4")).status_code == 404
    await until(lambda: projections_in(mortal_stack, "running"))
    with mortal_stack.database() as connection, mortal_stack.redis() as redis:
        assert_directory_is_what_the_log_tells(connection, redis)
