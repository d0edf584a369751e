"""How many requests a subject may make: buckets that all processes share, and leases that each takes from them."""

import asyncio
import time
from collections.abc import Callable
from typing import NamedTuple, Protocol

import structlog

from shared.errors import Unavailable
from shared.settings import Rate

LEASES = 20
"""Into how many a quota is divided: what a process may hold back from the others is one of them."""

LARGEST_LEASE = 1_000
LEASE_SECONDS = 1.0
AWAY_SECONDS = 1.0
"""For which nobody is limited, and nothing is asked, after the buckets could not be reached."""

MOST_SUBJECTS = 10_000

log = structlog.get_logger()


class Draw(NamedTuple):
    """
    What a bucket gave.

    :param granted: how many requests may be made.
    :param remaining: how many more it has.
    :param reset: seconds until it is full again.
    :param retry_after: seconds until it has one again; 0 if it gave any.
    """

    granted: int
    remaining: int
    reset: float
    retry_after: float


class Buckets(Protocol):
    """A bucket for each subject, which fills at a steady rate (the generic cell rate algorithm, ITU-T I.371)."""

    async def draw(self, subject: str, *, wanted: int, returned: int) -> Draw:
        """
        Take as many as there are of those wanted, after those are put back that were not used.

        :raises Unavailable: nothing was taken.
        """


class Verdict(NamedTuple):
    """Whether a request may be made; all numbers are as of the last draw. `retry_after` is 0 if it may."""

    remaining: int
    reset: float
    retry_after: float = 0.0


class _Lease:
    """What a process has taken for a subject."""

    __slots__ = ("draw", "left", "one_at_a_time", "until")

    def __init__(self) -> None:
        self.left, self.until = 0, 0.0
        self.draw = Draw(0, 0, 0.0, 0.0)
        self.one_at_a_time = asyncio.Lock()


class RateLimiter:
    """
    Limits each subject to a rate. While the buckets are away nobody is limited: they must not become what is.

    A request costs no trip as long as there is a lease, and one that is refused costs none until there can be more.
    """

    def __init__(self, rate: Rate, buckets: Buckets, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.rate = rate
        self._buckets = buckets
        self._clock = clock
        self._leases: dict[str, _Lease] = {}
        self._away_until = 0.0
        self._wanted = max(1, min(rate.quota // LEASES, LARGEST_LEASE))

    async def admit(self, subject: str) -> Verdict:
        """Count a request of a subject, and say whether it may be made."""
        lease = self._leases.get(subject) or self._new(subject)
        if (verdict := self._by_lease(lease)) is not None:
            return verdict
        async with lease.one_at_a_time:
            if (verdict := self._by_lease(lease)) is not None:
                return verdict
            await self._renew(subject, lease)
            return self._by_lease(lease) or Verdict(self.rate.quota, 0.0)

    async def wait(self, subject: str) -> None:
        """Wait until a subject may go on."""
        while (verdict := await self.admit(subject)).retry_after:  # noqa: ASYNC110 - nothing but time has to pass
            await asyncio.sleep(verdict.retry_after)

    def _by_lease(self, lease: _Lease) -> Verdict | None:
        """What can be said without asking."""
        now, draw = self._clock(), lease.draw
        if now >= lease.until:
            return None
        if lease.left:
            lease.left -= 1
            return Verdict(draw.remaining + lease.left, draw.reset)
        return Verdict(0, draw.reset, lease.until - now) if draw.retry_after else None

    async def _renew(self, subject: str, lease: _Lease) -> None:
        if self._clock() < self._away_until:
            return
        returned, lease.left = lease.left, 0
        try:
            lease.draw = await self._buckets.draw(subject, wanted=self._wanted, returned=returned)
        except Unavailable as error:
            log.warning("nobody is limited", error=str(error))
            self._away_until = self._clock() + AWAY_SECONDS
            lease.until = 0.0
            return
        lease.left = lease.draw.granted
        lease.until = self._clock() + (lease.draw.retry_after or LEASE_SECONDS)

    def _new(self, subject: str) -> _Lease:
        while len(self._leases) >= MOST_SUBJECTS:
            del self._leases[next(iter(self._leases))]
        lease = self._leases[subject] = _Lease()
        return lease


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
