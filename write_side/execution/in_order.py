"""Commands that are carried out at once, and yet one after the other: messages of a stream."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence
from http import HTTPStatus
from itertools import islice
from typing import Generic, TypeVar

from shared.problems import Refusal
from write_side.execution.endings import Ending
from write_side.execution.refusals import OUTCOME_UNKNOWN
from write_side.ports import Answer, NotYet, Place, Window

MOST_AT_ONCE = 64
"""As many as share a transaction."""

_MOST_IN_A_WINDOW = 16 * MOST_AT_ONCE
"""Then the first of another window has to ask for a permit."""

_BEGUN_IN_A_TURN = 16
"""Of those that get ready: whatever else the event loop has to do waits for them."""

M = TypeVar("M")


def _no_more(_: int) -> Sequence[M]:
    return ()


class InOrder(Generic[M]):
    """
    Carries out messages in order, as many at once as did not depend on one another before.

    Each sees all before it; what would have to see one that is not stored yet is carried out again behind it. While
    those of one transaction are stored, those of the next get ready.

    :param carry_out: carries out one message at its place, and returns how it ended.
    """

    def __init__(self, carry_out: Callable[[M, Place], Awaitable[Ending]]) -> None:
        self._carry_out = carry_out
        self._at_once = MOST_AT_ONCE

    async def begin(
        self, messages: Iterable[M], more: Callable[[int], Sequence[M]] = _no_more
    ) -> AsyncGenerator[Ending, None]:
        """
        Yield how the first messages ended: at least one, and none behind one that is to be carried out again.

        A message is settled once the next ending is asked for. A caller that closes the generator instead has stored
        nothing behind that message, unless it is settled elsewhere.

        :param more: gives up to so many messages behind those, of those that have come.
        """
        most = 2 * MOST_AT_ONCE if self._at_once == MOST_AT_ONCE else 0
        begun, count = BegunMessages(self._carry_out, more, most=most), 0
        window = begun.window
        begun.begin(islice(messages, self._at_once))
        try:
            while begun.tasks:
                ending = await begun.tasks[0]
                count += 1
                yield ending
                if not _is_settled(ending):
                    return
                if not _is_unknown(ending):
                    window.next = max(window.next, count)
                begun.tasks.popleft()
        except NotYet:
            pass
        finally:
            self._at_once = min(max(count, 1) if begun.tasks else 2 * count, MOST_AT_ONCE)
            await begun.end()


class BegunMessages(Generic[M]):
    """
    The messages of a window that have begun and are not settled.

    :param most: how many may be, once the first are on their way.
    """

    def __init__(
        self, carry_out: Callable[[M, Place], Awaitable[Ending]], more: Callable[[int], Sequence[M]], *, most: int
    ) -> None:
        self.window = Window(on_its_way=self.go_on)
        self.tasks: deque[asyncio.Future[Ending]] = deque()
        self._carry_out = carry_out
        self._more = more
        self._most = most
        self._number = 0
        self._is_due = False

    def begin(self, messages: Iterable[M]) -> None:
        for message in messages:
            place = Place(self.window, self._number)
            self.tasks.append(asyncio.ensure_future(self._carry_out(message, place)))
            self._number += 1

    def go_on(self) -> None:
        """Begin with more, some in each turn of the event loop."""
        if not self._is_due and self._room > 0:
            self._is_due = True
            asyncio.get_running_loop().call_soon(self._begin_some)

    async def end(self) -> None:
        """Give up what is not settled."""
        self._most = 0
        for task in self.tasks:
            task.cancel()
        if self.tasks:
            await asyncio.wait(self.tasks)
            self.tasks.clear()  # else their errors, the tracebacks of those and what was sent were one circle

    @property
    def _room(self) -> int:
        return min(self._most - len(self.tasks), _MOST_IN_A_WINDOW - self._number)

    def _begin_some(self) -> None:
        self._is_due = False
        if self._room > 0 and (some := self._more(min(self._room, _BEGUN_IN_A_TURN))):
            self.begin(some)
            self.go_on()


def _is_unknown(ending: Ending) -> bool:
    """Whether what is behind it may have been stored together with it, and says so itself."""
    return isinstance(ending, Refusal) and ending.problem is OUTCOME_UNKNOWN


def _is_settled(ending: Ending) -> bool:
    """Whether messages behind it may have been stored."""
    is_answered = isinstance(ending, Answer) or ending.problem.status < HTTPStatus.INTERNAL_SERVER_ERROR
    return is_answered or _is_unknown(ending)
