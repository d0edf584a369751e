import asyncio

import pytest

from shared.runtime.retry import Backoff, RetryPolicy, poll, repeat, wait_until
from shared.runtime.tasks import Tasks

AT_ONCE = poll(0, attempts=3)


class Busy(Exception):
    """Worth another attempt."""


def failing(*errors):
    """Work that raises these errors, one an attempt, and then answers how many attempts it took."""
    attempts = [0]

    async def work():
        attempts[0] += 1
        if attempts[0] <= len(errors):
            raise errors[attempts[0] - 1]
        return attempts[0]

    return work


async def test_work_is_done_again_until_it_succeeds():
    assert await AT_ONCE.call(failing(Busy(), Busy()), on=Busy) == 3


async def test_the_last_error_is_raised_when_no_attempt_is_left():
    with pytest.raises(Busy, match="third"):
        await AT_ONCE.call(failing(Busy(), Busy(), Busy("third")), on=Busy)


async def test_an_error_that_may_not_be_retried_is_raised_at_once():
    with pytest.raises(ZeroDivisionError):
        await AT_ONCE.call(failing(ZeroDivisionError()), on=Busy)


async def test_no_attempt_begins_after_the_time_is_over():
    with pytest.raises(Busy, match="first"):
        await poll(0, within=0).call(failing(Busy("first")), on=Busy)


async def test_a_question_is_asked_until_the_answer_is_good():
    answers = iter(range(10))

    async def ask():
        return next(answers)

    assert await poll(0).until(lambda answer: answer == 4, ask) == 4
    assert await AT_ONCE.until(lambda answer: answer == 99, ask) == 7, "the last answer, when no attempt is left"


def test_pauses_get_longer_up_to_a_limit_and_begin_anew_after_a_success():
    backoff = Backoff(RetryPolicy(first=1, longest=3))

    pauses = [backoff.next() for _ in range(4)]
    backoff.reset()

    assert [*pauses, backoff.next()] == [1, 2, 3, 3, 1]


async def test_turns_are_repeated_after_the_errors_that_may_be_retried():
    turn = failing(Busy(), Busy(), ZeroDivisionError())
    noted = []

    def note(error):
        if not isinstance(error, Busy):
            raise error
        noted.append(error)
        return 0.001

    with pytest.raises(ZeroDivisionError):
        await repeat(turn, after_error=note)
    assert len(noted) == 2


async def test_a_swallowed_cancellation_ends_a_loop():
    """Python 3.11's `wait_for` can swallow one; so does the first turn here."""
    turns = []

    async def swallow():
        turns.append("begun")
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            if len(turns) > 2:
                raise

    async with asyncio.timeout(30), Tasks() as tasks:
        for work in (repeat(swallow), poll(0).until(bool, swallow)):
            tasks.start(work, name="swallowing")
        await asyncio.sleep(0)

    assert len(turns) == 2, "one of each"


def test_a_thread_waits_until_something_holds():
    answers = iter([False, False, True])

    assert wait_until(lambda: next(answers), within=60, every=0)


def test_a_thread_does_not_wait_for_ever():
    assert not wait_until(lambda: False, within=0.01, every=0)
