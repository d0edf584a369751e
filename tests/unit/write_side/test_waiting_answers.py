"""Answers that wait for a client which sends all before it reads."""

import asyncio
import os
import tempfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from write_side.http.duplex import DiskRoom, NoRoom, WaitingAnswers, duplex
from write_side.http.limits import StreamedAnswerLimits

LIMITS = StreamedAnswerLimits(memory=20, block=10, disk=1_000)


def waiting(limits=LIMITS, room=None):
    return WaitingAnswers(room or DiskRoom(limits.disk), limits)


async def taken(answers):
    """All that waits, and all that is put until the end."""
    blocks = []
    while block := await answers.take():
        blocks.append(block)
    return b"".join(blocks)


@given(st.lists(st.binary(min_size=1, max_size=12) | st.none(), max_size=60))
async def test_what_is_put_is_taken_in_order_however_they_alternate(steps):
    """None stands for a client that reads what comes next."""
    expected, received = b"".join(filter(None, steps)), b""
    with waiting() as answers:
        for step in steps:
            if step:
                await answers.put(step)
            elif len(received) < answers.put_bytes:
                received += await answers.take()
        answers.end()

        assert received + await taken(answers) == expected


@given(st.lists(st.binary(min_size=1, max_size=12), max_size=60))
async def test_what_is_put_while_it_is_taken_is_taken_in_order(lines):
    with waiting() as answers:
        taking = asyncio.ensure_future(taken(answers))
        for line in lines:
            await answers.put(line)
        answers.end()

        assert await taking == b"".join(lines)


async def test_a_line_is_taken_as_soon_as_it_is_put():
    with waiting() as answers:
        taking = asyncio.ensure_future(answers.take())
        await asyncio.sleep(0)
        await answers.put(b"first\n")

        assert await taking == b"first\n"


async def test_no_more_is_held_in_memory_than_the_limit_and_a_block():
    with waiting() as answers:
        for _ in range(50):
            await answers.put(b"x" * 9)

            assert len(answers._memory) + len(answers._tail) <= LIMITS.memory + LIMITS.block


async def test_the_file_has_no_name_and_is_gone_with_the_answer(tmp_path, monkeypatch):
    """A killed process leaves nothing behind, either."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with waiting() as answers:
        await filled(answers)
        file = answers._file

        assert (list(tmp_path.iterdir()), os.fstat(file.fileno()).st_size > 0) == ([], True)

    assert file.closed


async def filled(answers):
    for _ in range(10):
        await answers.put(b"x" * 9)


async def test_room_is_shared_by_all_and_given_back():
    """To the others as soon as an answer has been read, or has ended."""
    room = DiskRoom(100)
    with waiting(room=room) as read, waiting(room=room) as other:
        await filled(read)
        read.end()
        with pytest.raises(NoRoom):
            await filled(other)
        await taken(read)
        with waiting(room=room) as third:
            await filled(third)

    room.take(100)


@pytest.mark.parametrize(("directory", "room"), [("missing", 1_000), ("/dev/null", 1_000), (".", 0), (".", 35)])
async def test_a_full_disk_loses_nothing_that_was_put(monkeypatch, tmp_path, directory, room):
    """What was carried out is answered, and the last line says why no more was."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / directory))
    with waiting(room=DiskRoom(room)) as answers:
        put = await put_until_full(answers)
        answers.put_last(b"the end\n")
        answers.end()

        assert await taken(answers) == b"line\n" * put + b"the end\n"


async def put_until_full(answers):
    put = 0
    try:
        while True:
            put += 1
            await answers.put(b"line\n")
    except NoRoom:
        return put


async def test_a_client_that_goes_leaves_nothing_behind():
    """Neither a file nor what it took."""
    room, is_full, made = DiskRoom(100), asyncio.Event(), []

    async def make(answers):
        made.append(answers)
        await put_until_full(answers)
        is_full.set()

    async def send(message):
        if message["type"] == "http.response.body":
            await asyncio.Event().wait()

    answering = asyncio.ensure_future(
        duplex(make, media_type="x", room=room, limits=LIMITS)({"type": "http"}, None, send)
    )
    await is_full.wait()
    answering.cancel()
    await asyncio.wait([answering])

    assert made[0]._file.closed
    room.take(100)
