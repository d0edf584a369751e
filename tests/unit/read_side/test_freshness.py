"""Waiting for a projection, without a clock where an event will do."""

import asyncio
from typing import NamedTuple

import pytest

from read_side.freshness import Freshness, FreshnessLimits, ProjectionBehind
from shared.errors import Overloaded
from tests.support.measures import counts
from tests.support.patience import SECONDS


class At(NamedTuple):
    position: int


class Checkpoint:
    """A checkpoint that can be read, and tells when it was."""

    def __init__(self, position):
        self.position = position
        self.reads = asyncio.Queue()

    async def read(self):
        answer = At(self.position)
        self.reads.put_nowait(answer)
        return answer


@pytest.fixture
def freshness():
    """Patient enough that a test which runs into the deadline has failed."""
    return Freshness("profiles", patience=60)


async def waiting(freshness, checkpoint, minimum):
    """Start a reader and return its task once it can only be woken."""
    reader = asyncio.create_task(freshness.reach(minimum, checkpoint.read))
    async with asyncio.timeout(SECONDS):
        for _ in range(2):  # one read for those who need not wait, one behind the registration
            await checkpoint.reads.get()
    assert freshness.waiting == 1
    return reader


async def test_who_asks_for_what_is_reached_reads_once(freshness):
    """Freshness costs nothing where it is there already."""
    checkpoint = Checkpoint(5)

    answer = await freshness.reach(5, checkpoint.read)

    assert At(5) == answer
    assert checkpoint.reads.qsize() == 1


async def test_an_announcement_wakes_who_waits_for_it(freshness):
    """The reader is answered as soon as the projector has told of its commit."""
    checkpoint = Checkpoint(4)
    reader = await waiting(freshness, checkpoint, 5)

    checkpoint.position = 5
    freshness.announce(5)

    assert await reader == At(5)
    assert freshness.waiting == 0


async def test_an_announcement_of_less_wakes_nobody(freshness):
    """Commits before the one that is waited for cost the waiter nothing."""
    checkpoint = Checkpoint(3)
    reader = await waiting(freshness, checkpoint, 5)

    freshness.announce(4)
    await asyncio.sleep(0)

    assert checkpoint.reads.empty()
    reader.cancel()


async def test_what_is_announced_while_the_checkpoint_is_read_is_not_missed(freshness):
    """A waiter is registered before it reads; the other way round this reader would wait for ever."""
    reads = 0

    async def read():
        nonlocal reads
        reads += 1
        if reads == 2:
            freshness.announce(5)
            return At(4)  # read just before the commit that was announced
        return At(4 if reads == 1 else 5)

    async with asyncio.timeout(30):
        assert await freshness.reach(5, read) == At(5)


async def test_after_a_gap_everybody_reads_again(freshness):
    """What was announced while nobody listened is found in the checkpoint."""
    checkpoint = Checkpoint(4)
    reader = await waiting(freshness, checkpoint, 5)

    checkpoint.position = 6
    freshness.read_again()

    assert await reader == At(6)


async def test_who_gives_up_reads_once_more():
    """An announcement that was lost costs time, not the answer."""
    checkpoint = Checkpoint(4)
    reader = await waiting(Freshness("profiles", patience=0.01), checkpoint, 5)

    checkpoint.position = 5

    assert await reader == At(5)


async def test_a_projection_that_stays_behind_is_an_error_that_says_where_it_is():
    """No read waits longer than it may."""
    with pytest.raises(ProjectionBehind, match="stands at 4, before 5") as behind:
        await Freshness("profiles", patience=0.01).reach(5, Checkpoint(4).read)

    assert behind.value.position == 4


async def test_who_waited_is_counted_by_whether_it_was_for_nothing(freshness):
    """And for how long; who need not wait is not among them."""
    checkpoint = Checkpoint(4)

    with counts("muster_read_wait_seconds_count", 0, outcome="reached"):
        await freshness.reach(4, checkpoint.read)
    with counts("muster_read_wait_seconds_count", 1, outcome="reached"):
        checkpoint.reads.get_nowait()
        reader = await waiting(freshness, checkpoint, 5)
        checkpoint.position = 5
        freshness.announce(5)
        await reader
    with counts("muster_read_wait_seconds_count", 1, outcome="behind"), pytest.raises(ProjectionBehind):
        await Freshness("profiles", patience=0.0).reach(6, checkpoint.read)


async def test_who_goes_away_is_forgotten(freshness):
    """A client that closes its connection leaves nothing behind."""
    reader = await waiting(freshness, Checkpoint(4), 5)

    reader.cancel()
    await asyncio.wait([reader])

    assert freshness.waiting == 0


async def test_a_reader_that_meets_an_error_does_not_wait_on(freshness):
    """Why it cannot be read is told at once."""

    async def read():
        raise LookupError

    with pytest.raises(LookupError):
        await freshness.reach(5, read)
    assert freshness.waiting == 0


async def test_more_than_can_be_woken_are_turned_away():
    """At once; a read with nothing to wait for is answered all the same."""
    freshness = Freshness("profiles", patience=60, limits=FreshnessLimits(waiting=1))
    reader = await waiting(freshness, Checkpoint(3), 5)

    with pytest.raises(Overloaded):
        await freshness.reach(5, Checkpoint(4).read)

    assert await freshness.reach(4, Checkpoint(4).read) == At(4)
    reader.cancel()
