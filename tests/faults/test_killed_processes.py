"""Whatever is killed with -9 in a stream of commands: it comes back, and every accepted command is visible once."""

import os
import signal
from collections.abc import Callable

from redis import Redis

from tests.faults.under_load import under_load
from tests.support.announcements import announced, out_of_order
from tests.support.load import Load
from tests.support.patience import until
from tests.support.stack import Child, Stack


async def kill_in_the_stream(stack: Stack, child: Child, load: Load, *, felt: Callable[[], int], by: int = 1) -> None:
    """
    Let the stream come into its flow, kill while commands are under way, and wait until everything is back.

    :param felt: counts what tells that the process is missed; it stays away until that has grown.
    """
    await load.grown(by=20)
    killed = stack.pid(child)
    assert killed is not None
    wanted = felt() + by
    with stack.supervisor_asleep():
        await load.under_way()
        os.kill(killed, signal.SIGKILL)
        await until(lambda: felt() >= wanted)
    await stack.back(child, instead_of=killed)


async def test_a_killed_projector_goes_on_where_the_store_stands(mortal_stack):
    """Every commit is announced once, and each further than the one before: nothing was folded twice."""
    async with (
        announced(mortal_stack.addresses.redis_url) as positions,
        under_load(mortal_stack, seed=110) as (load, _),
    ):
        await kill_in_the_stream(mortal_stack, Child.PROJECT, load, felt=lambda: load.done, by=20)

    assert load.troubles == {}
    assert positions
    assert out_of_order(positions) == {}


async def test_a_killed_redis_comes_back_with_records_and_checkpoint_of_one_moment(mortal_stack):
    """Readers see 503 meanwhile; what an append-only file synced every second has lost is projected again."""
    async with under_load(mortal_stack, seed=120) as (load, readers):
        with mortal_stack.redis() as redis:
            assert redis.config_get("appendfsync") == {"appendfsync": "everysec"}
            everything_is_on_the_disk(redis)
        await kill_in_the_stream(mortal_stack, Child.REDIS, load, felt=lambda: readers.answers[503])

    assert load.troubles == {}


async def test_a_killed_write_process_leaves_no_command_in_doubt(mortal_stack):
    """A client without an answer asks again under the same key, and learns what became of it."""
    async with under_load(mortal_stack, seed=130) as (load, _):
        await kill_in_the_stream(mortal_stack, Child.WRITE, load, felt=lambda: load.troubles["no answer"])


async def test_a_killed_postgres_is_503_until_it_is_back(mortal_stack):
    """The write side and the projector find their way back by themselves, and reading goes on."""
    async with under_load(mortal_stack, seed=140) as (load, _):
        await kill_in_the_stream(mortal_stack, Child.POSTGRES, load, felt=load.troubles.total)

    assert set(load.troubles) <= {"/problems/storage-unavailable", "/problems/outcome-unknown"}


def everything_is_on_the_disk(redis: Redis) -> None:
    """Return once the append-only file holds all that was written before."""
    redis.set("test:synced", 1)
    assert redis.execute_command("WAITAOF", 1, 0, 10_000)[0] == 1
    redis.delete("test:synced")
