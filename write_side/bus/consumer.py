"""One of several consumers of the bus: it has its fair share of the shards."""

import asyncio
from collections.abc import Callable
from math import ceil

import structlog
from prometheus_client import Gauge

from shared.errors import Unavailable
from shared.observability.logging import log_defect
from shared.runtime.retry import Backoff, RetryPolicy, repeat
from shared.runtime.tasks import Tasks
from write_side.bus.limits import BusLimits
from write_side.bus.shard import ShardConsumer
from write_side.ports import ShardLocks

log = structlog.get_logger()
_HELD = Gauge("muster_bus_shards", "Shards of the bus that this process carries out.", multiprocess_mode="livesum")


class BusConsumer:
    """
    Takes shards until it has its share, and gives up what is more.

    :param shards: how many there are.
    :param consume: makes what carries out one of them.
    """

    def __init__(
        self, *, shards: int, locks: ShardLocks, consume: Callable[[int], ShardConsumer], limits: BusLimits
    ) -> None:
        self._shards = shards
        self._locks = locks
        self._consume = consume
        self._every = limits.share_seconds
        self._pauses = Backoff(RetryPolicy(first=limits.first_retry, longest=limits.longest_retry))
        self._running: dict[int, asyncio.Task[None]] = {}

    async def run(self) -> None:
        """Carry out what comes, until cancelled."""
        async with Tasks() as self._tasks:
            await repeat(self._turn, every=self._every, after_error=self._pause_after)

    async def _turn(self) -> None:
        try:
            await self._share()
        except Exception:  # other consumers may have the locks now, or are to have them
            await self._tasks.stop(*self._running.values())
            self._running.clear()
            await self._locks.aclose()
            raise
        finally:
            _HELD.set(len(self._running))
        self._pauses.reset()

    async def _share(self) -> None:
        if self._running:
            await self._locks.require()
        share = ceil(self._shards / await self._locks.consumers())
        for shard in list(self._running)[share:]:
            await self._tasks.stop(self._running.pop(shard))
            await self._locks.give_up(shard)
        for shard in range(self._shards):
            if len(self._running) < share and shard not in self._running and await self._locks.take(shard):
                self._running[shard] = self._tasks.start(self._consume(shard).run(), name=f"shard {shard}")

    def _pause_after(self, error: Exception) -> float:
        if isinstance(error, Unavailable):
            log.warning("the bus stands still", error=str(error))
        else:
            log_defect(error)
        return self._pauses.next()
