"""Sides that take turns: ours and the baselines, each under the same load for the same time."""

import asyncio
import statistics
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from tests.benchmarks.load_generator import Received, Traffic, answered
from tests.benchmarks.processes import cpu_seconds
from tests.benchmarks.results import TurnSample

Run = Callable[[float], Awaitable[Received]]
"""Does what is measured for so many seconds."""


ENOUGH = 400
"""Operations in a turn."""
LONGEST = 3
"""Times the length that was asked for."""


REST_SECONDS, REST_LOOKS = 0.2, 25
"""How long servers are looked at between two turns, and how often at most."""


class LoadFailed(Exception):
    """Some requests failed: what was measured is not what was meant."""


@dataclass(frozen=True, kw_only=True)
class Contender:
    """
    One of those that are compared.

    :param what: how it runs: workers, pools, indexes.
    :param servers: the processes whose CPU is counted, by name; a name in brackets is shown, and not compared.
    :param records: operations in one request.
    """

    what: str
    run: Run
    servers: Mapping[str, Sequence[int]] = field(default_factory=dict)
    records: int = 1

    async def sample(self, seconds: float) -> TurnSample:
        """:raises LoadFailed: some requests failed."""
        before = {name: cpu_seconds(*pids) for name, pids in self.servers.items()}
        got = await self.run(seconds)
        used = {name: cpu_seconds(*pids) - before[name] for name, pids in self.servers.items()}
        if got.errors or not got.operations:
            raise LoadFailed(f"{got.errors} of {got.operations} requests failed: {self.what}")
        done = got.operations * self.records
        cpu = {name: 1e3 * each / done for name, each in used.items()}
        return TurnSample(rate=done / got.seconds, p50=got.p50, p99=got.p99, cpu=cpu)


def sending(traffic: Traffic) -> Run:
    """Return what sends this traffic."""

    async def run(seconds: float) -> Received:
        return await answered(traffic, seconds=seconds)

    return run


async def in_turns(
    sides: Mapping[str, Contender], *, rounds: int, seconds: float, warm_up: float = 1.0
) -> Mapping[str, Sequence[TurnSample]]:
    """Run each side once a round; what is measured first is first in no two rounds in a row."""
    lengths = {name: await _length(side, seconds, warm_up) for name, side in sides.items()}
    samples: dict[str, list[TurnSample]] = {name: [] for name in sides}
    for nth in range(rounds):
        for name in list(sides) if nth % 2 == 0 else reversed(sides):
            samples[name].append(await sides[name].sample(lengths[name]))
            await _at_rest(sides[name])
    return samples


async def _at_rest(side: Contender) -> None:
    """Return once the servers of a side have done what nobody waits for any more, or after some seconds."""
    pids = [pid for each in side.servers.values() for pid in each]
    for _ in range(REST_LOOKS):
        before = cpu_seconds(*pids)
        await asyncio.sleep(REST_SECONDS)
        if cpu_seconds(*pids) - before < REST_SECONDS / 4:
            return


async def _length(side: Contender, seconds: float, warm_up: float) -> float:
    """Warm a side up, and return how long a turn of it has to be: a slow one has longer turns, or it would end none."""
    for longer in (1, 4, 16):
        got = await side.run(longer * warm_up)
        if got.operations >= ENOUGH:
            return seconds
        if got.operations:
            return min(LONGEST * seconds, max(seconds, ENOUGH * got.seconds / got.operations))
    return LONGEST * seconds


def percentiles(seconds: Sequence[float]) -> tuple[float, float]:
    """Return the median and the 99th percentile, in milliseconds."""
    cuts = statistics.quantiles(seconds or [0.0, 0.0], n=100, method="inclusive")
    return 1e3 * cuts[49], 1e3 * cuts[98]
