"""PostgreSQL under Patroni loses its primary: all goes on by itself, and every accepted command is there, once."""

from collections.abc import Iterator
from contextlib import asynccontextmanager

import pytest

from tests.faults.patroni.hosts import PatroniSet, patroni_set, require_patroni
from tests.faults.under_load import seconds_until, serving_again, under_load
from tests.support.commands import muster
from tests.support.patience import until
from tests.support.processes import frozen
from tests.support.stack import Child, Stack, running_stack

pytestmark = pytest.mark.soak

PROCESSES = (Child.WRITE, Child.READ, Child.PROJECT, Child.REACT)
ALLOWED = {"/problems/storage-unavailable", "/problems/outcome-unknown"}
FORKED = "the log is not the one that was projected"
_HAS_REACTED = """
    select (select position from reaction_checkpoint) = (select max(position) from event_log)
       and not exists (select from deliveries where due_at <= now() and given_up_at is null)"""


@pytest.fixture(scope="module")
def servers(server_home) -> Iterator[PatroniSet]:
    require_patroni()
    with patroni_set(server_home / "patroni") as running:
        yield running


@pytest.fixture(scope="module")
def stack_on_patroni(servers) -> Iterator[Stack]:
    with running_stack("--fresh", MUSTER_DATABASE_URL=servers.url, MUSTER_LOG_STANDBY_URL=servers.url) as stack:
        yield stack


@asynccontextmanager
async def going_on(stack: Stack, servers: PatroniSet, *, seed: int):
    """
    Clients change and read the directory meanwhile; no process of Muster starts anew, or is misled by the log.

    In the end mails were sent, and a rebuild and a verification that may read the standby find nothing amiss.
    """
    before = {each: stack.pid(each) for each in PROCESSES}
    async with under_load(stack, seed=seed) as (load, readers):
        await load.grown(by=60)
        yield load, readers
        await load.grown(by=60)
    assert set(load.troubles) <= ALLOWED
    await servers.settled()
    await until(lambda: has_reacted(stack))
    reading = {"MUSTER_LOG_STANDBY_URL": servers.url, "MUSTER_LIMITS": "verify.portion=50"}
    done = [muster(stack.home, *each, **reading) for each in (("rebuild", "profiles"), ("verify",))]
    assert [each.returncode for each in done] == [0, 0]
    said = [*(each.stderr for each in done), *(log.read_text() for log in (stack.home / "logs").glob("*.log"))]
    assert FORKED not in "".join(said)
    assert {each: stack.pid(each) for each in PROCESSES} == before


def has_reacted(stack: Stack) -> bool:
    """Whether people were written to because of all that the log has."""
    with stack.database() as connection:
        return connection.execute(_HAS_REACTED).fetchall() == [(True,)]


async def test_a_killed_postmaster_is_failed_over_from(servers, stack_on_patroni, recovered_in):
    primary, standby = await servers.settled()
    async with going_on(stack_on_patroni, servers, seed=1700) as (load, readers):
        primary.kill_postmaster()
        recovered_in(await seconds_until(serving_again(readers, load)))
    assert await servers.settled() == (standby, primary)


async def test_a_killed_host_is_failed_over_from(servers, stack_on_patroni, recovered_in):
    primary, standby = await servers.settled()
    async with going_on(stack_on_patroni, servers, seed=1710) as (load, readers):
        primary.kill()
        recovered_in(await seconds_until(serving_again(readers, load)))
        primary.start()
    assert await servers.settled() == (standby, primary)


async def test_nobody_notices_a_switchover(servers, stack_on_patroni, recovered_in):
    primary, standby = await servers.settled()
    async with going_on(stack_on_patroni, servers, seed=1720) as (load, readers):
        await servers.switch_over()
        recovered_in(await seconds_until(serving_again(readers, load)))
    assert await servers.settled() == (standby, primary)


async def test_a_frozen_host_is_failed_over_from(servers, stack_on_patroni, recovered_in):
    """It believes that it is the primary when it wakes up: nobody is told anything that it alone knows."""
    primary, standby = await servers.settled()
    async with going_on(stack_on_patroni, servers, seed=1730) as (load, readers):
        with frozen(primary.processes):
            recovered_in(await seconds_until(serving_again(readers, load)))
        await load.grown(by=60)
    assert await servers.settled() == (standby, primary)


async def test_a_frozen_standby_is_left_behind(servers, stack_on_patroni, recovered_in):
    """Until then commands wait for it, and nobody is told that one was carried out that it does not have."""
    primary, standby = await servers.settled()
    async with going_on(stack_on_patroni, servers, seed=1740) as (load, readers):
        with frozen(standby.processes):
            recovered_in(await seconds_until(serving_again(readers, load)))
    assert await servers.settled() == (primary, standby)


async def test_a_primary_without_etcd_goes_on(servers, stack_on_patroni):
    """As long as it reaches all other hosts."""
    roles = await servers.settled()
    async with going_on(stack_on_patroni, servers, seed=1750) as (load, _):
        servers.etcd.kill()
        await until(servers.is_failsafe)
        await load.grown(by=60)
        servers.etcd.start()
    assert await servers.settled() == roles
