"""A stack with clients on it, held to its promises."""

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import httpx

from tests.support.load import REGISTRATIONS, Load
from tests.support.oracle import assert_all_is_right, assert_people_are_found
from tests.support.patience import until
from tests.support.readers import Readers
from tests.support.stack import Stack

SHOWN = 50
"""Records, at least: so many that what was wrong meanwhile would have been met."""


@asynccontextmanager
async def under_load(
    stack: Stack,
    *,
    seed: int,
    write: httpx.AsyncBaseTransport | None = None,
    read: httpx.AsyncBaseTransport | None = None,
) -> AsyncIterator[tuple[Load, Readers]]:
    """
    Commands and reads go on meanwhile, and many reads succeed; in the end every promise is held against what is there.

    :param write: how commands travel, if not as usual.
    :param read: likewise, reads.
    """
    await stack.ready()
    before = Load(stack.addresses.write, seed=seed, commands=20, kinds=REGISTRATIONS, pause=0)
    await before.run()
    await assert_people_are_found(stack.addresses.read, before.accepted, position=before.position)
    load = Load(stack.addresses.write, seed=seed + 1, transports=(write,))
    readers = Readers(stack.addresses.read, seed=seed, settled=before.accepted, load=load, transport=read)
    async with readers.running():
        async with load.running():
            yield load, readers
            await until(lambda: readers.answers[200] > SHOWN)
        await assert_all_is_right(stack, load)
    assert readers.wrong() == []


async def seconds_until(holds: Callable[[], Awaitable[bool] | bool]) -> float:
    began = time.monotonic()
    await until(holds)
    return time.monotonic() - began


def serving_again(readers: Readers, load: Load) -> Callable[[], bool]:
    """Whether reads were answered and commands accepted from now on, and reads of what is new among them."""
    read, done = readers.answers[200] + 20, load.done + 20
    return lambda: readers.answers[200] >= read and load.done >= done
