"""Buckets of one process."""

import time
from collections.abc import Callable

from shared.auth.rate_limits import Draw
from shared.errors import Unavailable
from shared.settings import Rate


class MemoryBuckets:
    def __init__(self, rate: Rate, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._burst, self._interval = float(rate.seconds), rate.seconds / rate.quota
        self._clock = clock
        self._full_at: dict[str, float] = {}
        self.draws = 0
        self.available = True

    async def draw(self, subject: str, *, wanted: int, returned: int) -> Draw:
        if not self.available:
            raise Unavailable("the buckets in memory were made unavailable")
        self.draws += 1
        now = self._clock()
        full_at = max(now, self._full_at.get(subject, now) - returned * self._interval)
        there = int((now + self._burst - full_at) / self._interval + 1e-9)
        granted = min(there, wanted)
        full_at += granted * self._interval
        self._full_at[subject] = full_at
        retry_after = 0.0 if granted else full_at + self._interval - now - self._burst
        return Draw(granted, there - granted, full_at - now, retry_after)
