"""More than one projector: one feeds, the others stand by, and one that slept and does not know it does no harm."""

import os
import signal

import httpx
import pytest

from tests.support.announcements import announced, out_of_order
from tests.support.load import Load
from tests.support.oracle import assert_all_is_right, checkpoint
from tests.support.patience import until
from tests.support.processes import family, frozen
from tests.support.stack import Child, Stack, service


@pytest.fixture
async def ops(mortal_stack):
    async with mortal_stack.client() as client:
        yield client


async def test_a_second_projector_changes_nothing_but_a_line_in_status(mortal_stack, ops, tmp_path):
    """
    It stands by until the first sleeps, takes over, and gives back when it is killed.

    Every commit is announced from within its transaction: a projector that woke up and went on from where it slept
    would announce a position for the second time.
    """
    await mortal_stack.ready()
    load = Load(mortal_stack.addresses.write, seed=160)
    first = await until(lambda: only_one(ops, mortal_stack.addresses.ops))
    async with announced(mortal_stack.addresses.redis_url) as positions, load.running():
        async with service("project", tmp_path / "second.log", **servers(mortal_stack)) as (url, pid):
            second = await until(lambda: other_than(first, ops, url))
            await until(lambda: is_held_by(first, ops, url))
            await load.grown(by=20)

            with frozen(family(mortal_stack.pid(Child.PROJECT))):
                await until(lambda: is_held_by(second["id"], ops, url))
                await load.grown(by=20)
                await has_reached(load.position, mortal_stack)
            await load.grown(by=20)
            await until(lambda: is_held_by(second["id"], ops, url))

            os.kill(pid, signal.SIGKILL)
        await until(lambda: is_held_by(first, ops, mortal_stack.addresses.ops))
        await load.grown(by=20)
        await has_reached(load.position, mortal_stack)

    assert positions
    assert out_of_order(positions) == {}
    assert load.troubles == {}
    await assert_all_is_right(mortal_stack, load)


def servers(stack: Stack) -> dict[str, str]:
    return {"MUSTER_DATABASE_URL": stack.addresses.database_url, "MUSTER_REDIS_URL": stack.addresses.redis_url}


async def status(client: httpx.AsyncClient, url: str) -> dict:
    return (await client.get(f"{url}/status")).raise_for_status().json()


async def holders(client: httpx.AsyncClient, url: str) -> list[str]:
    return [each["id"] for each in (await status(client, url))["projectors"] if each["role"] == "holder"]


async def only_one(client: httpx.AsyncClient, url: str) -> str | None:
    """The leader, once no other is listed: a dead one still is for some seconds."""
    listed = (await status(client, url))["projectors"]
    return listed[0]["id"] if [each["role"] for each in listed] == ["holder"] else None


async def is_held_by(projector: str, client: httpx.AsyncClient, url: str) -> bool:
    return await holders(client, url) == [projector]


async def other_than(projector: str, client: httpx.AsyncClient, url: str) -> dict | None:
    others = [each for each in (await status(client, url))["projectors"] if each["id"] != projector]
    return others[0] if others else None


async def has_reached(position: int, stack: Stack) -> None:
    with stack.redis() as redis:
        await until(lambda: checkpoint(redis).position >= position)
