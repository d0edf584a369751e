"""A Redis that was emptied, while many write and read."""

from collections.abc import Callable

from redis import Redis

from tests.support.load import REGISTRATIONS, Load
from tests.support.oracle import assert_all_is_right, assert_people_are_found
from tests.support.patience import until
from tests.support.people import ways_to
from tests.support.readers import Readers
from tests.support.sessions import log_held
from tests.support.stack import Stack

CLIENTS = 50


async def test_an_emptied_redis_is_503_until_it_is_filled_again(mortal_stack):
    """
    Never 404 for a person who exists; the new generation holds all, with what came meanwhile.

    Filling takes milliseconds; once it is held up before its end, so that many read meanwhile.
    """
    await mortal_stack.ready()
    before = Load(mortal_stack.addresses.write, seed=220, clients=CLIENTS, commands=60, kinds=REGISTRATIONS, pause=0)
    await before.run()
    await assert_people_are_found(mortal_stack.addresses.read, before.accepted, position=before.position)
    load = Load(mortal_stack.addresses.write, seed=221)
    readers = Readers(mortal_stack.addresses.read, seed=220, settled=before.accepted, load=load)
    with mortal_stack.redis() as redis:
        async with readers.running(), load.running():
            await emptied_and_filled(mortal_stack, redis, load, readers)
            with log_held(mortal_stack.addresses.database_url):
                await emptied(mortal_stack, redis, load)
                await until(lambda: is_partly_filled(mortal_stack))
                await assert_nobody_is_shown(mortal_stack, before)
                await until(has_grown(readers, 503, by=20))
            await until(has_grown(readers, 200, by=20))

    assert readers.wrong() == []
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
    generation: str = (await stack.status())["projections"][0]["generation"]
    redis.flushall()
    return generation


async def is_partly_filled(stack: Stack) -> bool:
    projection, *_ = (await stack.status())["projections"]
    return projection["state"] == "filling" and projection["checkpoint"] > 0


async def assert_nobody_is_shown(stack: Stack, load: Load) -> None:
    """Not even those who are there again: nobody can tell them from those who are not."""
    async with stack.client(stack.addresses.read) as client:
        answers = [await client.get(path) for path in ways_to(load.accepted[0])]
    assert {(each.status_code, each.json()["type"]) for each in answers} == {(503, "/problems/read-model-not-filled")}


async def is_of_another_generation(stack: Stack, old: str) -> bool:
    projection, *_ = (await stack.status())["projections"]
    return projection["generation"] not in {None, old} and projection["state"] == "running"


def has_grown(readers: Readers, status_code: int, *, by: int) -> Callable[[], bool]:
    """Whether so many more have been answered so from now on."""
    wanted = readers.answers[status_code] + by
    return lambda: readers.answers[status_code] >= wanted
