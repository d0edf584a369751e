"""Things are passed on until the process is to stop."""

import asyncio

import pytest

from shared.server.shutdown import Stopped, StopSignal


class Source:
    """Gives what is put into it; never ends by itself."""

    def __init__(self, *things):
        self._queue = asyncio.Queue()
        for each in things:
            self._queue.put_nowait(each)

    def __aiter__(self):
        return self

    async def __anext__(self):
        return await self._queue.get()


async def numbers(*given):
    for each in given:
        yield each


async def test_things_are_passed_on_to_their_end():
    assert [each async for each in StopSignal().until_requested(numbers(1, 2, 3))] == [1, 2, 3]


async def test_waiting_for_more_ends_with_the_stop():
    """Although nothing comes."""
    stopping = StopSignal()
    things = stopping.until_requested(Source("first"))
    assert await anext(things) == "first"

    waiting = asyncio.ensure_future(anext(things))
    await asyncio.sleep(0)
    stopping.request()

    with pytest.raises(Stopped):
        await waiting


async def test_nothing_new_begins_after_the_stop():
    stopping = StopSignal()
    stopping.raise_if_requested()

    stopping.request()

    with pytest.raises(Stopped):
        stopping.raise_if_requested()
