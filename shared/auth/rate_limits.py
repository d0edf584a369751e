"""Rate limits of subjects: buckets that all processes share, and leases that each process takes from them."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import structlog

from shared.errors import Unavailable
from shared.settings import Rate

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimiterLimits:
    """The size of leases, and their time in seconds."""

    leases: int = 20
    """Into how many a quota is divided: a process holds back no more than one from the others."""
    largest_lease: int = 1_000
    lease: float = 1.0
    away: float = 1.0
    """How long no caller is limited, and no bucket is asked, after the buckets could not be reached."""
    subjects: int = 10_000


class Draw(NamedTuple):
    """
    Requests taken from a bucket.

    :param granted: how many were taken.
    :param remaining: how many are left.
    :param reset: seconds until the bucket is full again.
    :param retry_after: seconds until it has one again; 0 if any was taken.
    """

    granted: int
    remaining: int
    reset: float
    retry_after: float


class Buckets(Protocol):
    """A bucket for each subject, which fills at a steady rate (the generic cell rate algorithm, ITU-T I.371)."""

    async def draw(self, subject: str, *, wanted: int, returned: int) -> Draw:
        """
        Put back the unused requests, then take as many as are wanted and there are.

        :raises Unavailable: nothing was taken.
        """


class Verdict(NamedTuple):
    """Whether a request may be made: `retry_after` is 0 if it may. All numbers are as of the last draw."""

    remaining: int
    reset: float
    retry_after: float = 0.0


class _Lease:
    """The requests that a process has taken for a subject."""

    __slots__ = ("draw", "left", "one_at_a_time", "until")

    def __init__(self) -> None:
        self.left, self.until = 0, 0.0
        self.draw = Draw(0, 0, 0.0, 0.0)
        self.one_at_a_time = asyncio.Lock()


class RateLimiter:
    """
    Limit each subject to a rate; while the buckets are away no caller is limited, since counting must not stop serving.

    A request costs no round trip as long as there is a lease, and a refused one costs none until there can be more.
    """

    def __init__(
        self,
        rate: Rate,
        buckets: Buckets,
        *,
        limits: RateLimiterLimits | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.rate = rate
        self._limits = limits or RateLimiterLimits()
        self._buckets = buckets
        self._clock = clock
        self._leases: dict[str, _Lease] = {}
        self._away_until = 0.0
        self._wanted = max(1, min(rate.quota // self._limits.leases, self._limits.largest_lease))

    async def admit(self, subject: str) -> Verdict:
        """Count a request of a subject, and return whether it may be made."""
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
        """Return the verdict if the lease alone decides it."""
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
            log.warning("no caller is limited", error=str(error))
            self._away_until = self._clock() + self._limits.away
            lease.until = 0.0
            return
        lease.left = lease.draw.granted
        lease.until = self._clock() + (lease.draw.retry_after or self._limits.lease)

    def _new(self, subject: str) -> _Lease:
        while len(self._leases) >= self._limits.subjects:
            del self._leases[next(iter(self._leases))]
        lease = self._leases[subject] = _Lease()
        return lease
