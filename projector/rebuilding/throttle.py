"""How a rebuild makes way for readers and for what is new."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

from projector.processing.limits import ThrottleLimits


class Throttle:
    """
    Rest after each piece of work: ever longer while readers or the live generation suffer, else soon not at all.

    :param lag: how far the live generation lags behind.
    :param answer: measures how long Redis takes to answer, in seconds.
    """

    def __init__(
        self,
        *,
        lag: Callable[[], timedelta],
        answer: Callable[[], Awaitable[float]],
        limits: ThrottleLimits | None = None,
    ) -> None:
        self._lag = lag
        self._answer = answer
        self._limits = limits or ThrottleLimits()
        self.share = 0.0
        """Rest, as a multiple of work."""

    async def rest(self, worked: float) -> None:
        """:param worked: seconds."""
        suffers = self._lag() > self._limits.lag or await self._answer() > self._limits.answer
        self.share = min(2 * self.share + 1, self._limits.longest_rest) if suffers else self.share // 2
        await asyncio.sleep(worked * self.share)
