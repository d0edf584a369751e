"""Whether a checkpoint lies on the log."""

from uuid import UUID

import pytest
from msgspec.structs import replace

from projector.processing.fork_check import ForkCheck, LogForked
from shared.event_log import MemoryEventLog
from shared.read_model.positions import Checkpoint
from tests.support.histories import History


@pytest.fixture
def events():
    history = History()
    for number in range(10):
        history.register(f"person-{number}")
    return history.events


@pytest.fixture
def check():
    return ForkCheck(projection="profiles", recent=4)


def at(events, count):
    """The checkpoint after so many events."""
    return Checkpoint(events[count - 1].position, events[count - 1].event_id, count)


async def require(check, events, checkpoint):
    log = MemoryEventLog()
    log.append(events)
    async with log.connect() as reader:
        await check.require(reader, checkpoint)


async def test_the_beginning_lies_on_every_log(events, check):
    await require(check, [], Checkpoint())
    await require(check, events, Checkpoint())


@pytest.mark.parametrize("lost", [0, 7, 9])
async def test_a_log_that_lost_an_event_is_a_fork(events, lost, check):
    """Wherever it was lost, the first check counts them all."""
    remaining = [each for each in events if each is not events[lost]]

    with pytest.raises(LogForked, match=r"profiles.*10 events"):
        await require(check, remaining, at(events, 10))


async def test_another_event_in_the_same_place_is_a_fork(events, check):
    checkpoint = at(events, 10)
    events[9] = replace(events[9], event_id=UUID(int=4711))

    with pytest.raises(LogForked):
        await require(check, events, checkpoint)


async def test_later_checks_count_from_an_anchor(events, check):
    """What was lost long before it goes unseen at a reconnect; what was lost lately does not."""
    for count in range(1, 21):
        check.passed(at(events, count))

    await require(check, events[1:], at(events, 20))
    with pytest.raises(LogForked):
        await require(check, events[:17] + events[18:], at(events, 20))


async def test_an_anchor_of_a_log_that_was_replaced_is_forgotten(events, check):
    """Database and read model were started over together: the new checkpoint is right, the memory is not."""
    for count in range(1, 17):
        check.passed(at(events, count))
    others = History(salt=1)
    others.skip(3)
    for number in range(9):
        others.register(f"other-{number}")

    await require(check, others.events, at(others.events, 18))


async def test_an_older_checkpoint_is_counted_from_the_beginning(events, check):
    """Redis came back older than the anchor."""
    for count in range(1, 21):
        check.passed(at(events, count))

    await require(check, events, at(events, 2))
