"""Passing things on until one is to stop."""

import asyncio

import pytest

from shared.server.shutdown import Stopped, Stopping


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
    assert [each async for each in Stopping().unless_asked(numbers(1, 2, 3))] == [1, 2, 3]


async def test_who_waits_for_more_hears_that_it_is_time():
    """Although nothing comes."""
    stopping = Stopping()
    things = stopping.unless_asked(Source("first"))
    assert await anext(things) == "first"

    waiting = asyncio.ensure_future(anext(things))
    await asyncio.sleep(0)
    stopping.ask()

    with pytest.raises(Stopped):
        await waiting


async def test_nothing_new_is_begun_once_it_is_time():
    stopping = Stopping()
    stopping.require_none()

    stopping.ask()

    with pytest.raises(Stopped):
        stopping.require_none()
