"""Commands that are carried out at once, and yet one after the other: messages of a stream."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from http import HTTPStatus
from typing import Generic, TypeVar

from shared.problems import Refusal
from write_side.execution.endings import Ending
from write_side.execution.invocation import Answer
from write_side.execution.refusals import OUTCOME_UNKNOWN
from write_side.ports import NotYet, Place, Window

MOST_AT_ONCE = 64
"""As many as share a transaction."""

M = TypeVar("M")


class InOrder(Generic[M]):
    """
    Carries out messages in order, as many at once as did not depend on one another before.

    Each sees all before it; what would have to see one that is not stored yet is carried out again behind it.

    :param carry_out: carries out one message at its place, and returns how it ended.
    """

    def __init__(self, carry_out: Callable[[M, Place], Awaitable[Ending]]) -> None:
        self._carry_out = carry_out
        self._at_once = MOST_AT_ONCE

    async def begin(self, messages: Sequence[M]) -> AsyncGenerator[Ending, None]:
        """
        Yield how the first messages ended: at least one, and none behind one that is to be carried out again.

        A message is settled once the next ending is asked for. A caller that closes the generator instead has stored
        nothing behind that message, unless it is settled elsewhere.
        """
        window, at_once, count = Window(), messages[: self._at_once], 0
        tasks = [asyncio.ensure_future(self._carry_out(each, Place(window, nth))) for nth, each in enumerate(at_once)]
        try:
            for count, task in enumerate(tasks, start=1):
                ending = await task
                yield ending
                if not _is_settled(ending):
                    return
                if not _is_unknown(ending):
                    window.next = count
        except NotYet:
            count -= 1
        finally:
            self._at_once = min(2 * count, MOST_AT_ONCE) if count == len(at_once) else max(count, 1)
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)


def _is_unknown(ending: Ending) -> bool:
    """Whether what is behind it may have been stored together with it, and says so itself."""
    return isinstance(ending, Refusal) and ending.problem is OUTCOME_UNKNOWN


def _is_settled(ending: Ending) -> bool:
    """Whether messages behind it may have been stored."""
    is_answered = isinstance(ending, Answer) or ending.problem.status < HTTPStatus.INTERNAL_SERVER_ERROR
    return is_answered or _is_unknown(ending)
