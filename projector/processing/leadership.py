"""Holding the leases of what this process can feed, or waiting for them."""

import asyncio
from collections.abc import Sequence

import structlog

from projector.store.ports import Candidate, Lease, LeaseName
from shared.errors import Unavailable
from shared.runtime.cancellation import is_cancelled

LEASE_SECONDS = 2.0
RENEW_SECONDS = 0.5

log = structlog.get_logger()


class Duty:
    """To feed the generations that one version of a projection has made: done by one projector at a time."""

    def __init__(self, projection: str, version: int) -> None:
        self.lease = LeaseName(projection, version)
        self.trouble: str | None = None
        """Why nobody can hold the lease now."""
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


class Tenure:
    """Whether this projector is the one that feeds; `run` keeps it so, as long as it can."""

    def __init__(self, lease: Lease, candidate: Candidate, duties: Sequence[Duty]) -> None:
        self._lease = lease
        self._candidate = candidate
        self._duties = duties
        self._names = [each.lease for each in duties]
        self._held: frozenset[LeaseName] = frozenset()
        self._until = 0.0

    async def run(self) -> None:
        """Take the leases or wait for them, renew them, and give them up when cancelled."""
        try:
            while not is_cancelled():
                await self._renew()
                await asyncio.sleep(RENEW_SECONDS)
        finally:
            self._tell(frozenset())
            await self._release()

    async def _renew(self) -> None:
        loop = asyncio.get_running_loop()
        now, trouble = loop.time(), None  # the answer may be long in coming: it held from before it was asked for
        try:
            self._held = await self._lease.hold(self._candidate, self._names)
            self._until = now + LEASE_SECONDS
        except Unavailable as error:
            log.debug("the lease cannot be renewed", error=str(error))
            trouble = str(error)
        self._tell(self._held if self._until > loop.time() else frozenset(), trouble)

    def _tell(self, held: frozenset[LeaseName], trouble: str | None = None) -> None:
        for duty in self._duties:
            duty.hold(held=duty.lease in held, trouble=trouble)

    async def _release(self) -> None:
        try:
            async with asyncio.timeout(RENEW_SECONDS):
                await self._lease.release(self._candidate, self._names)
        except (Unavailable, TimeoutError) as error:
            log.info("the lease is left to run out", error=str(error))
