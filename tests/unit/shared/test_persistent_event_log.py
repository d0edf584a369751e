"""A session with the event log that is kept, until something fails in it."""

from contextlib import asynccontextmanager, nullcontext

import pytest

from shared.errors import Unavailable
from shared.event_log import MemoryEventLog
from shared.event_log.adapters.persistent import PersistentEventLog
from tests.support.histories import History


class Counted(MemoryEventLog):
    """Counts the sessions that are opened and closed."""

    opened = closed = 0

    @asynccontextmanager
    async def connect(self):
        async with super().connect() as reader:
            self.opened += 1
            try:
                yield reader
            finally:
                self.closed += 1


@pytest.fixture
def log():
    history, log = History(), Counted()
    history.register("ada")
    log.append(history.events)
    return log


async def test_a_session_serves_one_after_the_other(log):
    persistent = PersistentEventLog(log)

    heads = []
    for _ in range(3):
        async with persistent.connect() as reader:
            heads.append(await reader.head())
    await persistent.aclose()

    assert heads == [2, 2, 2]
    assert (log.opened, log.closed) == (1, 1)


async def test_after_a_failure_there_is_another_one(log):
    persistent = PersistentEventLog(log)
    for available in (True, False, True):
        log.available = available
        with nullcontext() if available else pytest.raises(Unavailable):
            async with persistent.connect() as reader:
                assert await reader.head() == 2
    await persistent.aclose()

    assert (log.opened, log.closed) == (2, 2)


async def test_it_can_be_closed_before_it_was_opened(log):
    await PersistentEventLog(log).aclose()

    assert log.opened == 0
