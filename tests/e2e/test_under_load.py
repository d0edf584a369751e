"""Many clients at once, with strangers in the database, an appender that idles, and a Redis that is emptied."""

from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest
from redis import Redis

from tests.support.load import Load, Readers, ways_to
from tests.support.oracle import assert_all_is_right, assert_people_are_found
from tests.support.sessions import another_database, log_held, stranger
from tests.support.stack import Stack, until

CLIENTS = 50
OVERLOADED = "/problems/overloaded"
"""Told to some of so many where the disk takes its time; whoever is held up by a stranger never gets through."""


@pytest.mark.parametrize("commands", [300, pytest.param(5_000, marks=pytest.mark.soak)])
async def test_strangers_with_open_transactions_hold_nobody_up(stack, commands):
    """Neither one that wrote another table of the same database nor one in another: all is readable while they idle."""
    url = stack.addresses.database_url
    load = Load(stack.addresses.write, seed=200 + commands, clients=CLIENTS, commands=commands, changes=0, pause=0)
    with another_database(url) as elsewhere, stranger(url), stranger(elsewhere):
        await load.run()

        await assert_people_are_found(stack.addresses.read, load.accepted, position=load.position)
        await until(lambda: nothing_is_left(stack))
        assert (await status(stack))["held_by"] is None

    assert set(load.troubles) <= {OVERLOADED}
    await assert_all_is_right(stack, load)


async def test_an_appender_that_idles_is_named_and_everything_flows_when_it_ends(stack):
    """Who holds the log up stands in status and readyz; a reader who needs what comes after is told to come again."""
    load = Load(stack.addresses.write, seed=210, commands=30, pause=0)
    async with httpx.AsyncClient(headers=stack.headers, timeout=10, trust_env=False) as client:
        with log_held(stack.addresses.database_url) as pid:
            await load.run()
            told = await until(lambda: is_held(stack))
            ready = await client.get(f"{stack.addresses.ops}/readyz")
            read = await client.get(
                f"{stack.addresses.read}/profiles/{load.accepted[0].id}",
                headers={"Muster-Min-Position": str(load.position)},
            )

        assert told["held_by"]["pid"] == pid
        assert told["held_by"]["text"].startswith(f"held at {told['held_by']['position']} by pid {pid} since ")
        assert told["projections"][0]["lag_events"] > 0
        assert (ready.status_code, ready.json()["notes"]["event log"]) == (200, told["held_by"]["text"])
        assert (read.status_code, read.json()["type"]) == (503, "/problems/projection-behind")
        assert int(read.headers["Retry-After"]) > 0

    await assert_all_is_right(stack, load)
    assert (await status(stack))["held_by"] is None


async def test_an_emptied_redis_is_503_until_it_is_filled_again(mortal_stack):
    """
    Never 404 for somebody who exists; the new generation holds everybody, with what came meanwhile.

    Filling takes milliseconds; once it is held up before its end, so that many read meanwhile.
    """
    await mortal_stack.ready()
    before = Load(mortal_stack.addresses.write, seed=220, clients=CLIENTS, commands=200, changes=0, pause=0)
    await before.run()
    await assert_people_are_found(mortal_stack.addresses.read, before.accepted, position=before.position)
    load = Load(mortal_stack.addresses.write, seed=221)
    readers = Readers(mortal_stack.addresses.read, seed=220, settled=before.accepted, load=load)
    with mortal_stack.redis() as redis:
        async with readers.running(), load.running():
            for _ in range(2):
                await emptied_and_filled(mortal_stack, redis, load, readers)
            with log_held(mortal_stack.addresses.database_url):
                await emptied(mortal_stack, redis, load)
                await until(lambda: is_partly_filled(mortal_stack))
                await assert_nobody_is_shown(mortal_stack, before)
                await until(has_grown(readers, 503, by=20))
            await until(has_grown(readers, 200, by=20))

    assert readers.false == []
    assert load.troubles == {}
    await assert_all_is_right(mortal_stack, load)
    await assert_people_are_found(mortal_stack.addresses.read, before.accepted, position=before.position)


async def emptied_and_filled(stack: Stack, redis: Redis, load: Load, readers: Readers) -> None:
    old = await emptied(stack, redis, load)
    await until(lambda: is_of_another_generation(stack, old))
    await until(has_grown(readers, 200, by=20))


async def emptied(stack: Stack, redis: Redis, load: Load) -> str:
    """Empty it in the stream of commands; gives the generation that it held."""
    await load.grown(by=20)
    generation: str = (await status(stack))["projections"][0]["generation"]
    redis.flushall()
    return generation


async def is_partly_filled(stack: Stack) -> bool:
    projection, *_ = (await status(stack))["projections"]
    return projection["state"] == "filling" and projection["checkpoint"] > 0


async def assert_nobody_is_shown(stack: Stack, load: Load) -> None:
    """Not even those who are there again: nobody can tell them from those who are not."""
    async with httpx.AsyncClient(
        headers=stack.headers, base_url=stack.addresses.read, timeout=10, trust_env=False
    ) as client:
        answers = [await client.get(path) for path in ways_to(load.accepted[0])]
    assert {(each.status_code, each.json()["type"]) for each in answers} == {(503, "/problems/read-model-not-filled")}


async def status(stack: Stack) -> dict[str, Any]:
    async with httpx.AsyncClient(headers=stack.headers, timeout=10, trust_env=False) as client:
        told: dict[str, Any] = (await client.get(f"{stack.addresses.ops}/status")).raise_for_status().json()
        return told


async def nothing_is_left(stack: Stack) -> bool:
    return (await status(stack))["projections"][0]["lag_events"] == 0


async def is_held(stack: Stack) -> dict[str, Any] | None:
    told = await status(stack)
    return told if told["held_by"] else None


async def is_of_another_generation(stack: Stack, old: str) -> bool:
    projection, *_ = (await status(stack))["projections"]
    return projection["generation"] not in {None, old} and projection["state"] == "running"


def has_grown(readers: Readers, status_code: int, *, by: int) -> Callable[[], Awaitable[bool]]:
    """Whether so many more have been answered so from now on."""
    wanted = readers.answers[status_code] + by

    async def grown() -> bool:
        return readers.answers[status_code] >= wanted

    return grown
