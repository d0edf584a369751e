"""
Waiting and trying again: loops that do so are built from these.

Commands alone are retried by stamina, which counts and logs each attempt.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from math import inf
from typing import TypeVar

from shared.runtime.cancellation import is_cancelled

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """
    How often something is tried again, and for how long.

    :param first: seconds between the first attempt and the second; each later pause is twice as long.
    :param longest: seconds of the longest pause; the same as `first` for steady polling.
    :param within: seconds after which no further attempt begins.
    :param attempts: after which none is made.
    """

    first: float
    longest: float
    within: float = inf
    attempts: float = inf

    async def call(self, work: Callable[[], Awaitable[T]], *, on: type[Exception] | tuple[type[Exception], ...]) -> T:
        """
        Do some work, and again while it raises an error of `on`; return its result.

        :raises Exception: an error that is not of `on`, or the last one when no attempt is left.
        """
        backoff = Backoff(self)
        while True:
            try:
                return await work()
            except on:
                if not backoff.may_go_on():
                    raise
            await backoff.pause()

    async def until(self, is_good: Callable[[T], bool], ask: Callable[[], Awaitable[T]]) -> T:
        """Ask until the answer is good, or no attempt is left; return the last answer."""
        backoff = Backoff(self)
        while not is_good(answer := await ask()) and backoff.may_go_on():
            await backoff.pause()
        return answer


def poll(seconds: float, *, within: float = inf, attempts: float = inf) -> RetryPolicy:
    """Return the policy that tries again after so many seconds each time."""
    return RetryPolicy(first=seconds, longest=seconds, within=within, attempts=attempts)


def wait_until(holds: Callable[[], bool], *, within: float, every: float = 0.02) -> bool:
    """Block a thread without an event loop until something holds; return whether it does in time."""
    deadline = time.monotonic() + within
    while not holds():
        if time.monotonic() >= deadline:
            return False
        time.sleep(every)
    return True


class Backoff:
    """The pauses of a retry policy: ever longer, from the first one again after a success."""

    def __init__(self, policy: RetryPolicy) -> None:
        self._policy = policy
        self._seconds = policy.first
        self._deadline = time.monotonic() + policy.within
        self._left = policy.attempts - 1

    def may_go_on(self) -> bool:
        """Return whether another attempt may be made, and count it."""
        self._left -= 1
        return self._left >= 0 and time.monotonic() < self._deadline and not is_cancelled()

    def reset(self) -> None:
        """Begin again with the first pause."""
        self._seconds = self._policy.first

    def next(self) -> float:
        """Return the seconds of this pause, and make the next one longer."""
        seconds, self._seconds = self._seconds, min(2 * self._seconds, self._policy.longest)
        return seconds

    async def pause(self) -> None:
        """Sleep until the next attempt."""
        await asyncio.sleep(self.next())


async def repeat(
    turn: Callable[[], Awaitable[object]],
    *,
    every: float = 0.0,
    delay: float = 0.0,
    after_error: Callable[[Exception], float] | None = None,
) -> None:
    """
    Take one turn after the other, until cancelled.

    :param every: seconds from the end of a turn to the next one.
    :param delay: seconds before the first turn.
    :param after_error: takes note of an error and returns the seconds to the next turn, or raises what is not retried.
    """
    pause = delay
    while not is_cancelled():
        if pause:
            await asyncio.sleep(pause)
        pause = every
        try:
            await turn()
        except Exception as error:
            if after_error is None:
                raise
            pause = after_error(error)
