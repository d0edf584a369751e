"""Clocks that are set: a server's, or that of all our own processes; the machine's own stays as it is."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.faults.bench.bench import Bench, Clocked
from tests.support.patience import until
from tests.support.processes import family, frozen
from tests.support.stack import Child

HOUR = 3_600
_ASKED = {
    "postgres": "select extract(epoch from clock_timestamp())",
    "processes": "select extract(epoch from occurred_at) from event_log order by position desc limit 1",
}
NEAR = 60.0
"""By how much a clock may seem to differ from what it was set to, in seconds: reading it takes time, too."""


@asynccontextmanager
async def jumping_clock(bench: Bench, whose: Clocked) -> AsyncIterator[None]:
    """It jumps an hour ahead and two hours back, or the other way round: each time commands are taken and read."""
    for ahead in bench.random.sample((HOUR, -HOUR), k=2):
        await _set(bench, whose, ahead=ahead)
        await bench.recovered()
    yield
    await _set(bench, whose, ahead=0)


@asynccontextmanager
async def killed_projector_whose_lease_lasts(bench: Bench) -> AsyncIterator[None]:
    """The projector dies, and by the clock of Redis, which is set back, its leases run out in an hour only."""
    pid = bench.stack.pid(Child.PROJECT)
    assert pid is not None
    with frozen(family(pid)):
        await _set(bench, "redis", ahead=-HOUR)
        bench.stack.kill(Child.PROJECT)
    await bench.stack.replaced(Child.PROJECT, instead_of=pid)
    await bench.recovered()
    yield
    await _set(bench, "redis", ahead=0)


async def _set(bench: Bench, whose: Clocked, *, ahead: int) -> None:
    """Return once that is felt."""
    bench.clocks[whose].set(ahead=ahead)
    await until(lambda: _is_felt(bench, whose, ahead))


def _is_felt(bench: Bench, whose: Clocked, ahead: int) -> bool:
    return abs(_told(bench, whose) - time.time() - ahead) < NEAR


def _told(bench: Bench, whose: Clocked) -> float:
    """What the clock says, in seconds since 1970; that of our processes, what the last command was stored with."""
    if whose == "redis":
        with bench.redis_client() as redis:
            return float(redis.time()[0])
    with bench.database() as database:
        [[told]] = database.execute(_ASKED[whose]).fetchall()
    return float(told)
