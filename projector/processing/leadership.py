"""Leader election by lease: one projector at a time feeds what one version of a projection has made."""

import asyncio
from collections.abc import Sequence

import structlog

from projector.processing.limits import LeadershipLimits
from projector.store.ports import Candidate, Lease, LeaseName
from shared.errors import Unavailable
from shared.runtime.retry import repeat

log = structlog.get_logger()


class Leadership:
    """Whether this projector leads one version of a projection, and so feeds the generations which that has made."""

    def __init__(self, projection: str, version: int) -> None:
        self.lease = LeaseName(projection, version)
        self.trouble: str | None = None
        """Why no projector can hold the lease now."""
        self._held = asyncio.Event()

    @property
    def is_held(self) -> bool:
        return self._held.is_set()

    async def begun(self) -> None:
        """Wait until the lease is held."""
        await self._held.wait()

    def hold(self, *, held: bool, trouble: str | None = None) -> None:
        self.trouble = trouble
        if held:
            self._held.set()
        else:
            self._held.clear()


class LeaderElection:
    """Take part in the elections of all projections, and stay the leader for as long as possible."""

    def __init__(
        self,
        lease: Lease,
        candidate: Candidate,
        leaderships: Sequence[Leadership],
        *,
        limits: LeadershipLimits | None = None,
    ) -> None:
        self._lease = lease
        self._candidate = candidate
        self._leaderships = leaderships
        self._limits = limits or LeadershipLimits()
        self._names = [each.lease for each in leaderships]
        self._held: frozenset[LeaseName] = frozenset()
        self._until = 0.0

    async def run(self) -> None:
        """Take the leases or wait for them, renew them, and give them up when cancelled."""
        try:
            await repeat(self._renew, every=self._limits.renew)
        finally:
            self._note(frozenset())
            await self._release()

    async def _renew(self) -> None:
        loop = asyncio.get_running_loop()
        now, trouble = loop.time(), None  # the answer may be long in coming: the lease runs from before the question
        try:
            self._held = await self._lease.hold(self._candidate, self._names)
            self._until = now + self._limits.lease
        except Unavailable as error:
            log.debug("the lease cannot be renewed", error=str(error))
            trouble = str(error)
        self._note(self._held if self._until > loop.time() else frozenset(), trouble)

    def _note(self, held: frozenset[LeaseName], trouble: str | None = None) -> None:
        for leadership in self._leaderships:
            leadership.hold(held=leadership.lease in held, trouble=trouble)

    async def _release(self) -> None:
        try:
            async with asyncio.timeout(self._limits.renew):
                await self._lease.release(self._candidate, self._names)
        except (Unavailable, TimeoutError) as error:
            log.info("the lease is left to run out", error=str(error))
