"""Sides that take turns: ours and the baselines, each under the same load for the same time."""

import asyncio
import statistics
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.benchmarks.load_generator import Received, Traffic, answered
from tests.benchmarks.processes import cpu_seconds
from tests.benchmarks.results import BenchResult, TurnSample, compared, failed

Run = Callable[[float], Awaitable[Received]]
"""Does what is measured for so many seconds."""


ENOUGH, FEW = 400, 32
"""Operations in a turn: those for which it may take up to `LONGEST` times as long, and those that it has anyway."""

LONGEST, LONGEST_SECONDS = 3, 40.0


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


@dataclass(frozen=True)
class Turns:
    """What several sides did in turns; one that failed has only its failure."""

    sides: Mapping[str, Contender]
    samples: dict[str, list[TurnSample]]
    failures: dict[str, LoadFailed]

    def of(self, name: str) -> Sequence[TurnSample]:
        """:raises LoadFailed: that side failed."""
        if failure := self.failures.get(name):
            raise failure
        return self.samples[name]

    def compared(self, name: str, what: str, ours: str, other: str, **how: Any) -> BenchResult:
        """Compare two of the sides, as `results.compared` does."""
        try:
            both = [(self.sides[each].what, self.of(each)) for each in (ours, other)]
        except LoadFailed as failure:
            return failed(name, failure)
        return compared(name, what, *both, **how)


async def in_turns(sides: Mapping[str, Contender], *, rounds: int, seconds: float, warm_up: float) -> Turns:
    """Run each side once a round; what is measured first is first in no two rounds in a row."""
    turns = Turns(sides, {name: [] for name in sides}, {})
    lengths: dict[str, float] = {}
    for name, side in sides.items():
        with _noting(name, turns):
            lengths[name] = await _length(side, seconds, warm_up)
    for nth in range(rounds):
        for name in list(sides) if nth % 2 == 0 else reversed(sides):
            if name not in turns.failures:
                with _noting(name, turns):
                    turns.samples[name].append(await sides[name].sample(lengths[name]))
                await _at_rest(sides[name])
    return turns


@contextmanager
def _noting(name: str, turns: Turns) -> Iterator[None]:
    """Keep a failure for those who compare with this side."""
    try:
        yield
    except LoadFailed as failure:
        turns.failures[name] = failure


async def _at_rest(side: Contender) -> None:
    """Return once the servers of a side have done what nobody waits for any more, or after some seconds."""
    pids = [pid for each in side.servers.values() for pid in each]
    for _ in range(REST_LOOKS):
        before = cpu_seconds(*pids)
        await asyncio.sleep(REST_SECONDS)
        if cpu_seconds(*pids) - before < REST_SECONDS / 4:
            return


async def _length(side: Contender, seconds: float, warm_up: float) -> float:
    """
    Warm a side up, and return how long a turn of it has to be: a slow one has longer turns, or it would end none.

    :raises LoadFailed: it ends nothing, however long it is asked.
    """
    for longer in (1, 4, 16):
        got = await side.run(longer * warm_up)
        if got.operations:
            each = got.seconds / got.operations
            return max(seconds, min(ENOUGH * each, LONGEST * seconds), min(FEW * each, LONGEST_SECONDS))
    raise LoadFailed(f"nothing was answered within {16 * warm_up:.0f} s: {side.what}")


def percentiles(seconds: Sequence[float]) -> tuple[float, float]:
    """Return the median and the 99th percentile, in milliseconds."""
    cuts = statistics.quantiles(seconds or [0.0, 0.0], n=100, method="inclusive")
    return 1e3 * cuts[49], 1e3 * cuts[98]
