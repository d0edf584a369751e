"""What is read ahead of the work: bounded by number and by size."""

import asyncio

import pytest

from shared.runtime.read_ahead import reading_ahead


class Source:
    """Texts, and how many were asked for."""

    def __init__(self, *texts):
        self._texts = texts
        self.given = 0

    async def __aiter__(self):
        for text in self._texts:
            self.given += 1
            yield text


async def quiet():
    """Let everything go on until nothing does."""
    for _ in range(50):
        await asyncio.sleep(0)


@pytest.mark.parametrize(
    ("texts", "first"),
    [
        (["x" * 4] * 9, 2),
        (["x"] * 9, 3),
        (["x" * 40] * 3, 1),
        (["x", "x" * 40, "x"], 1),
    ],
    ids=["room", "number", "one too large", "too large for what is left"],
)
async def test_no_more_is_held_than_there_is_room_for(texts, first):
    """What is being worked on takes room, too; one item always has it. One more waits where it was read."""
    source = Source(*texts)
    async with reading_ahead(source, most=3, size=len, room=10) as ahead:
        await quiet()
        read = source.given

        some = await ahead.some(9)
        assert (some, read) == (texts[:first], first + 1)

        rest = []
        while some:
            for each in some:
                ahead.done(each)
            rest += (some := await ahead.some(9))
            assert sum(map(len, some)) <= 10 or len(some) == 1

    assert rest == texts[first:]


async def test_what_is_worked_on_takes_room_until_it_is_done():
    source = Source(*["x" * 5] * 6)
    async with reading_ahead(source, most=3, size=len, room=10) as ahead:
        await quiet()
        first, _ = await ahead.some(9)
        await quiet()
        meanwhile = source.given

        ahead.done(first)
        await quiet()

    assert (meanwhile, source.given) == (3, 4)


async def test_what_is_put_back_comes_again_before_the_others():
    async with reading_ahead(Source(*"abcde"), most=3, size=len, room=10) as ahead:
        first, *others = await ahead.some(3)

        ahead.put_back(others)
        ahead.done(first)
        await quiet()

        assert await ahead.some(2) == ["b", "c"]
        assert ahead.more(9) == ["d"]
        assert ahead.more(9) == []


async def test_an_error_comes_behind_what_came_before_it():
    async def broken():
        yield "x"
        raise ValueError("gone")

    async with reading_ahead(broken(), most=3, size=len, room=10) as ahead:
        assert await ahead.some(1) == ["x"]
        with pytest.raises(ValueError, match="gone"):
            await ahead.some(1)
