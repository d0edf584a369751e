"""Holding the lease, or waiting for it."""

import asyncio

import structlog

from projector.cancellation import is_cancelled
from projector.ports import Candidate, Lease, ReadModelUnavailable

LEASE_SECONDS = 2.0
RENEW_SECONDS = 0.5

log = structlog.get_logger()


class Tenure:
    """Whether this projector is the one that feeds; `run` keeps it so, as long as it can."""

    def __init__(self, lease: Lease, candidate: Candidate) -> None:
        self._lease = lease
        self._candidate = candidate
        self._held = asyncio.Event()
        self._until = 0.0

    @property
    def is_held(self) -> bool:
        return self._held.is_set()

    async def begun(self) -> None:
        """Wait until the lease is held."""
        await self._held.wait()

    async def run(self) -> None:
        """Take the lease or wait for it, renew it, and give it up when cancelled."""
        try:
            while not is_cancelled():
                await self._renew()
                await asyncio.sleep(RENEW_SECONDS)
        finally:
            self._held.clear()
            await self._release()

    async def _renew(self) -> None:
        now = asyncio.get_running_loop().time()
        try:
            if await self._lease.hold(self._candidate):
                self._until = now + LEASE_SECONDS
            else:
                self._until = now
        except ReadModelUnavailable as error:
            log.debug("the lease cannot be renewed", error=str(error))
        if self._until > now:
            self._held.set()
        else:
            self._held.clear()

    async def _release(self) -> None:
        try:
            async with asyncio.timeout(RENEW_SECONDS):
                await self._lease.release(self._candidate)
        except (ReadModelUnavailable, TimeoutError) as error:
            log.info("the lease is left to run out", error=str(error))
