"""How many commands a process takes on at once: more would only wait for one another, and for ever longer."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from prometheus_client import Gauge

from shared.errors import Overloaded
from write_side.execution.limits import ExecutionLimits

_IN_FLIGHT = Gauge(
    "muster_commands_in_flight", "Commands that are carried out or wait for a permit.", multiprocess_mode="livesum"
)


class Admission:
    """Counts commands in and out; beyond its limits it refuses at once, or after a bounded time."""

    def __init__(self, limits: ExecutionLimits) -> None:
        # Not anyio's CapacityLimiter, which gives way to other tasks even where a permit is free.
        self._permits = asyncio.Semaphore(limits.at_once)
        self._most = limits.at_once + limits.most_waiting
        self._patience = limits.permit_seconds
        self._in_flight = 0

    @asynccontextmanager
    async def in_flight(self) -> AsyncIterator[None]:
        """
        Count as one of those that are carried out or wait.

        :raises Overloaded: there are too many.
        """
        if self._in_flight >= self._most:
            raise Overloaded(f"{self._in_flight} commands are under way or waiting")
        self._in_flight += 1
        _IN_FLIGHT.inc()
        try:
            yield
        finally:
            self._in_flight -= 1
            _IN_FLIGHT.dec()

    @asynccontextmanager
    async def permit(self) -> AsyncIterator[None]:
        """
        Hold a permit; permits are given in the order in which they were asked for.

        :raises Overloaded: none is free in time.
        """
        try:
            async with asyncio.timeout(self._patience if self._permits.locked() else None):
                await self._permits.acquire()
        except TimeoutError:
            raise Overloaded(f"no permit was free within {self._patience:g} s") from None
        try:
            yield
        finally:
            self._permits.release()
