"""How a rebuild makes way for readers and for what is new."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta

from projector.processing.limits import ThrottleLimits


@dataclass(eq=False, slots=True, kw_only=True)
class Throttle:
    """
    Rest after each piece of work: ever longer while readers or the live generation suffer, else soon not at all.

    :param lag: how far the live generation lags behind.
    :param answer: measures how long Redis takes to answer, in seconds.
    """

    lag: Callable[[], timedelta]
    answer: Callable[[], Awaitable[float]]
    limits: ThrottleLimits = field(default_factory=ThrottleLimits)
    share: float = field(default=0.0, init=False)
    """Rest, as a multiple of work."""

    async def rest(self, worked: float) -> None:
        """:param worked: seconds."""
        suffers = self.lag() > self.limits.lag or await self.answer() > self.limits.answer
        self.share = min(2 * self.share + 1, self.limits.longest_rest) if suffers else self.share // 2
        await asyncio.sleep(worked * self.share)
