"""Questions that are asked together."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Generic, TypeVar

Q = TypeVar("Q")
A = TypeVar("A")


class _Turn(Generic[Q, A]):
    def __init__(self) -> None:
        self.questions: list[Q] = []
        self.answers: Mapping[Q, A] | None = None


class TakingTurns(Generic[Q, A]):
    """
    Asks one question after the other; those that come meanwhile are asked together, as soon as that is over.

    Nobody waits for others to come: what is asked alone is asked at once.
    """

    def __init__(self, ask: Callable[[Sequence[Q]], Awaitable[Mapping[Q, A]]]) -> None:
        """:param ask: asks all of several questions, and returns the answers that there are."""
        self._ask = ask
        self._lock = asyncio.Lock()
        self._next: _Turn[Q, A] = _Turn()

    async def __call__(self, question: Q) -> A | None:
        """:raises Exception: what `ask` raises; each who was asked for meets an error of their own."""
        turn = self._next
        turn.questions.append(question)
        async with self._lock:
            if turn.answers is None:  # the first of a turn asks; the next one, if that one was cancelled or has failed
                if turn is self._next:
                    self._next = _Turn()
                turn.answers = await self._ask(turn.questions)
        return turn.answers.get(question)
