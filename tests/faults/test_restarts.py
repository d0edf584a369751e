"""A process is stopped or replaced in an orderly way under load: nobody who reconnects once sees a request fail."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import msgspec

from shared.server.ports import PortTakenError, require_free
from tests.faults.under_load import under_load
from tests.support.announcements import announced, out_of_order
from tests.support.patience import until
from tests.support.people import registration
from tests.support.processes import family
from tests.support.raw_http import RawStream
from tests.support.readers import Readers
from tests.support.stack import Child, Stack, service


class OneMoreTry(httpx.AsyncBaseTransport):
    """As clients do that mean it: sends once more, to the next address, what got no answer; counts how often."""

    def __init__(self, *urls: str) -> None:
        """:param urls: of instances that do the same; the first is asked first."""
        self._urls = [httpx.URL(url) for url in urls]
        self._inner = httpx.AsyncHTTPTransport()
        self.reconnects = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        try:
            return await self._inner.handle_async_request(self._to(self._urls[0], request))
        except httpx.TransportError:
            self.reconnects += 1
            return await self._inner.handle_async_request(self._to(self._urls[-1], request))

    async def aclose(self) -> None:
        await self._inner.aclose()

    def _to(self, url: httpx.URL, request: httpx.Request) -> httpx.Request:
        there = request.url.copy_with(host=url.host, port=url.port)
        return httpx.Request(request.method, there, headers=request.headers, stream=request.stream)


@asynccontextmanager
async def beside(stack: Stack, name: str) -> AsyncIterator[tuple[str, int]]:
    """Another instance of a process, on the servers of a stack and with its keys; gives its URL and its process id."""
    settings = {
        "MUSTER_DATABASE_URL": stack.addresses.database_url,
        "MUSTER_REDIS_URL": stack.addresses.redis_url,
        "MUSTER_AUTH": "on",
        "MUSTER_KEYS": str(stack.home / "keys"),
    }
    async with service(name, stack.home / f"{name}-beside.log", **settings) as instance:
        yield instance


async def reloaded(stack: Stack, child: Child) -> None:
    """Have a process replace its worker, and return once the old one has gone."""
    pid = stack.pid(child)
    assert pid is not None
    old = family(pid) - {pid}
    os.kill(pid, signal.SIGHUP)

    def has_replaced() -> bool:
        now = family(pid) - {pid}
        return bool(now) and not old & now

    await until(has_replaced)
    assert stack.pid(child) == pid


def turned_away(readers: Readers) -> set[str]:
    """By which problems, but for that of readers whom a busy machine projects the newest too late."""
    return set(readers.refusals) - {"/problems/projection-behind"}


async def test_reloaded_processes_turn_nobody_away(mortal_stack):
    """
    SIGHUP: the new worker takes connections before the old one stops to.

    A new projector stands by until the old one has finished its batch: no position is announced twice.
    """
    write, read = OneMoreTry(mortal_stack.addresses.write), OneMoreTry(mortal_stack.addresses.read)
    async with (
        announced(mortal_stack.addresses.redis_url) as positions,
        under_load(mortal_stack, seed=1430, write=write, read=read) as (load, readers),
    ):
        for child in (Child.WRITE, Child.READ, Child.PROJECT):
            await load.grown(by=20)
            await reloaded(mortal_stack, child)
        await load.grown(by=20)

    assert (load.troubles, turned_away(readers)) == ({}, set())
    assert write.reconnects <= load.clients
    assert read.reconnects <= readers.readers
    assert positions
    assert out_of_order(positions) == {}


async def test_one_of_two_processes_is_stopped(mortal_stack):
    """SIGTERM: what it has accepted is answered, and the other takes the rest."""
    async with beside(mortal_stack, "write") as writing, beside(mortal_stack, "read") as reading:
        write = OneMoreTry(writing[0], mortal_stack.addresses.write)
        read = OneMoreTry(reading[0], mortal_stack.addresses.read)
        async with under_load(mortal_stack, seed=1436, write=write, read=read) as (load, readers):
            for url, pid in (writing, reading):
                await load.grown(by=20)
                os.kill(pid, signal.SIGTERM)
                await until(lambda url=url: is_free(url))
            await load.grown(by=20)

    assert (load.troubles, turned_away(readers)) == ({}, set())
    assert write.reconnects > 0
    assert read.reconnects > 0


async def test_the_projector_that_feeds_is_stopped_and_another_stands_by(mortal_stack):
    """It gives its leases up, so that the standby begins at once: nobody waits in vain for what is new."""
    async with (
        beside(mortal_stack, "project"),
        announced(mortal_stack.addresses.redis_url) as positions,
        under_load(mortal_stack, seed=1440) as (load, readers),
    ):
        await load.grown(by=20)
        pid = mortal_stack.pid(Child.PROJECT)
        assert pid is not None
        os.kill(pid, signal.SIGTERM)
        await mortal_stack.replaced(Child.PROJECT, instead_of=pid)
        await load.grown(by=40)

    assert turned_away(readers) == set()
    assert positions
    assert out_of_order(positions) == {}


async def test_what_was_accepted_is_answered_before_the_end(mortal_stack):
    """
    A command that waits for a lock when the signal comes, and a stream whose client sends nothing.

    The stream is told from which line on to send again; nobody new is let in meanwhile.
    """
    async with (
        beside(mortal_stack, "write") as (url, pid),
        mortal_stack.client(url) as client,
    ):
        stream = await RawStream.open(url, mortal_stack.headers)
        await stream.send(msgspec.json.encode({"command": "register-account", **registration("p1444.0.1")}) + b"\n")
        first = await stream.answered()
        with mortal_stack.database(autocommit=False) as holder:
            holder.execute("select from accounts where handle = %s for update", [registration("p1444.0.1")["handle"]])
            asked = asyncio.create_task(client.post("/commands/suspend-account", json={"account": "@p1444.0.1"}))
            await until(lambda: a_read_waits(mortal_stack))
            os.kill(pid, signal.SIGTERM)
            await until(lambda: refuses(url))
            last, end = await stream.answered(), await stream.answered()
            holder.rollback()
        await stream.aclose()

        assert (await asked).json()["version"] == 2
        await until(lambda: is_free(url))

    assert (first["line"], first["status"]) == (1, 200)
    assert (last["line"], last["status"], last["type"]) == (2, 503, "/problems/stopping")
    assert end is None


def a_read_waits(stack: Stack) -> bool:
    with stack.database() as connection:
        [(waiting,)] = connection.execute(
            "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"
        ).fetchall()
    return bool(waiting)


async def refuses(url: str) -> bool:
    """Whether nobody takes a new connection."""
    async with httpx.AsyncClient(trust_env=False) as client:
        try:
            await client.get(f"{url}/livez")
        except httpx.ConnectError:
            return True
        except httpx.TransportError:  # it was let in just before
            return False
    return False


def is_free(url: str) -> bool:
    """Whether the process has ended that listened there."""
    address = httpx.URL(url)
    try:
        require_free(address.host, address.port or 0, patience=0)
    except PortTakenError:
        return False
    return True
