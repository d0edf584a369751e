"""Servers of one's own, of which one goes: until another takes over, and then every accepted command is there, once."""

import asyncio
from collections.abc import Iterator

import httpx
import psycopg
import pytest

from tests.faults.under_load import seconds_until, serving_again, under_load
from tests.support import replicas
from tests.support.commands import muster
from tests.support.load import Load
from tests.support.oracle import assert_all_is_right, assert_people_are_found
from tests.support.patience import answers, until
from tests.support.people import registration, ways_to
from tests.support.stack import Child, Stack, running_stack

ANSWER_SECONDS = 30.0
"""What a client may have to wait for a 503 on the busiest machine; all retries are included."""


@pytest.fixture(scope="module")
def valkeys(server_home) -> Iterator[replicas.ReplicatedRedis]:
    with replicas.replicated_redis(server_home / "valkeys") as servers:
        with replicas.client_of(servers.master) as redis:
            redis.set("mine", "kept")
        yield servers


@pytest.fixture(scope="module")
def postgreses(server_home) -> Iterator[replicas.ReplicatedPostgres]:
    with replicas.replicated_postgres(server_home / "postgreses") as servers:
        with psycopg.connect(servers.primary.url) as connection:
            connection.execute("create table mine (kept text)")
        yield servers


@pytest.fixture(scope="module")
def stack(valkeys, postgreses) -> Iterator[Stack]:
    servers = {"MUSTER_REDIS_URL": valkeys.url, "MUSTER_DATABASE_URL": postgreses.url}
    with running_stack("--fresh", is_forked=True, **servers) as stack:
        yield stack


def test_a_redis_of_ones_own_is_used_and_never_emptied(stack, valkeys):
    """`--fresh` is about the embedded ones."""
    assert not (stack.home / "data" / "redis").exists()
    with replicas.client_of(valkeys.master) as redis:
        assert redis.get("mine") == "kept"


async def test_a_promoted_replica_is_served_and_fed_in_place_of_its_master(valkeys, stack, recovered_in):
    """
    It is older, for it had stopped following: what it lacks is projected again.

    The old master comes back as the master it was, and is made a replica: nobody reads it or writes to it meanwhile.
    """
    await valkeys.settled(master=valkeys.master, replica=valkeys.replica)
    async with under_load(stack, seed=1400) as (load, readers):
        await load.grown(by=20)
        with replicas.client_of(valkeys.replica) as replica:
            replica.replicaof("127.0.0.1", 1)
        await until(lambda: is_behind(valkeys))  # and no more than that: it has stopped to follow just before
        lost = replicas.checkpoint_on(valkeys.master)
        valkeys.kill_master()
        assert replicas.checkpoint_on(valkeys.replica) < lost

        recovered = await seconds_until(serving_again(readers, load))
        await valkeys.promoted()
        await load.grown(by=20)
        valkeys.master.start()
        await valkeys.settled(master=valkeys.replica, replica=valkeys.master)
        await load.grown(by=20)

    recovered_in(recovered)
    assert load.troubles == {}
    await until(lambda: has_followed(valkeys))
    assert muster(stack.home, "verify").returncode == 0
    assert "✓ Redis answers at redis+sentinel://" in muster(stack.home, "doctor").stdout


def test_a_database_of_ones_own_is_used_and_never_emptied(stack, postgreses):
    """`--fresh` is about the embedded ones."""
    assert stack.addresses.database_url == postgreses.url
    assert not (stack.home / "data" / "postgres").exists()
    with psycopg.connect(postgreses.primary.url) as connection:
        assert connection.execute("select to_regclass('mine')").fetchone() == ("mine",)


async def test_without_postgres_writing_is_503_and_reading_goes_on(stack, postgreses):
    """The read side even starts; once the server is back, the same request succeeds and all is as it was promised."""
    addresses = stack.addresses
    load = Load(addresses.write, seed=150, commands=40, pause=0)
    await load.run()
    await assert_people_are_found(addresses.read, load.accepted, position=load.position)

    postgreses.primary.stop()
    async with stack.client() as client:
        await assert_writing_is_refused(client, addresses.write)
        killed = stack.kill(Child.READ)
        await stack.replaced(Child.READ, instead_of=killed)
        await until(lambda: answers(client, f"{addresses.read}/readyz"))
        await assert_everybody_can_be_read(client, addresses.read, load)
        await assert_status_says_what_is_away(client, addresses.ops)

    postgreses.primary.start()
    await stack.ready()
    later = Load(addresses.write, seed=151, commands=40, pause=0)
    await later.run()

    assert later.troubles == {}
    await assert_all_is_right(stack, load)
    await assert_all_is_right(stack, later)


async def assert_writing_is_refused(client: httpx.AsyncClient, url: str) -> None:
    async with asyncio.timeout(ANSWER_SECONDS):
        answer = await client.post(f"{url}/commands/register-account", json=registration("nobody"))

    assert (answer.status_code, answer.json()["type"]) == (503, "/problems/storage-unavailable")
    assert int(answer.headers["Retry-After"]) > 0
    assert (await client.get(f"{url}/readyz")).status_code == 503
    assert (await client.get(f"{url}/livez")).status_code == 200


async def assert_everybody_can_be_read(client: httpx.AsyncClient, url: str, load: Load) -> None:
    for person in load.accepted:
        for path in ways_to(person):
            answer = await client.get(f"{url}{path}", headers={"Muster-Min-Position": str(person.position)})
            assert person.shows_in(answer.raise_for_status().json())


async def assert_status_says_what_is_away(client: httpx.AsyncClient, url: str) -> None:
    status = (await client.get(f"{url}/status")).raise_for_status().json()

    assert status["error"].startswith("PostgreSQL")
    assert status["head"] is None
    assert status["projections"][0]["checkpoint"] > 0


async def test_a_promoted_standby_has_every_command_that_was_accepted(postgreses, stack, recovered_in):
    """
    A client without an answer asks again, and learns what became of its command; the projector finds the log it knows.

    The old primary comes back as a primary, which nobody should let it: it accepts nothing, as its standby has left it.
    """
    async with under_load(stack, seed=1410) as (load, readers):
        await load.grown(by=30)
        postgreses.primary.kill()
        postgreses.standby.promote()
        recovered = await seconds_until(serving_again(readers, load))
        await load.grown(by=30)

    recovered_in(recovered)
    assert set(load.troubles) <= {"/problems/storage-unavailable", "/problems/outcome-unknown"}
    assert "✓ PostgreSQL is the primary" in muster(stack.home, "doctor").stdout

    await assert_old_primary_accepts_nothing(stack, postgreses)
    assert muster(stack.home, "verify").returncode == 0


async def assert_old_primary_accepts_nothing(stack: Stack, servers: replicas.ReplicatedPostgres) -> None:
    """A write side that is started anew finds it first; once it is fenced off, all is well again."""
    servers.primary.start()
    killed = stack.kill(Child.WRITE)
    await stack.replaced(Child.WRITE, instead_of=killed)
    async with stack.client(stack.addresses.write) as client:
        refused = await until(lambda: _answered(client, "split"))
        servers.primary.stop()
        await stack.ready()
        accepted = await until(lambda: _answered(client, "whole"))

    assert (refused.status_code, accepted.status_code) == (503, 200)
    with psycopg.connect(servers.standby.url) as connection:
        known = connection.execute("select handle from accounts where handle in ('split', 'whole')").fetchall()
    assert known == [("whole",)]


async def _answered(client: httpx.AsyncClient, name: str) -> httpx.Response | None:
    try:
        return await client.post("/commands/register-account", json=registration(name))
    except httpx.TransportError:
        return None


def is_behind(servers: replicas.ReplicatedRedis) -> bool:
    """Whether the replica lacks what the master has."""
    return replicas.checkpoint_on(servers.replica) < replicas.checkpoint_on(servers.master)


def has_followed(servers: replicas.ReplicatedRedis) -> bool:
    """Whether the old master has come as far as the one that took over."""
    return replicas.checkpoint_on(servers.master) == replicas.checkpoint_on(servers.replica)
