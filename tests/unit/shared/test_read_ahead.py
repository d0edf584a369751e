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

        assert await ahead.some() == texts[:first]
        assert read == first + 1

        rest = []
        while some := await ahead.some():
            rest += some
            assert sum(map(len, some)) <= 10 or len(some) == 1

    assert rest == texts[first:]


async def test_what_is_worked_on_takes_room_until_more_is_asked_for():
    source = Source(*["x" * 5] * 6)
    async with reading_ahead(source, most=3, size=len, room=10) as ahead:
        await quiet()
        await ahead.some()
        await quiet()
        meanwhile = source.given
        await ahead.some()

    assert meanwhile == 3


async def test_an_error_comes_behind_what_came_before_it():
    async def broken():
        yield "x"
        raise ValueError("gone")

    async with reading_ahead(broken(), most=3, size=len, room=10) as ahead:
        assert await ahead.some() == ["x"]
        with pytest.raises(ValueError, match="gone"):
            await ahead.some()
