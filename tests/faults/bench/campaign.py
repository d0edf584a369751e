"""Runs in which faults strike the bench one after the other, and the table of what came of it."""

import time
from collections import defaultdict
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass, field
from random import Random
from statistics import median

from shared.wording import counted
from tests.faults.bench.stack_bench import StackBench
from tests.faults.kinds.fault import Fault
from tests.support.oracle import Verdict


@dataclass
class Record:
    """What is known of one kind of fault, over all runs."""

    recoveries: list[float] = field(default_factory=list)
    """Seconds from its end until a new command was read back, by runs; from its beginning if it is outlived."""
    commands: int = 0
    """Whose outcome became known while it was there or recovered from."""
    wrong: dict[str, int] = field(default_factory=lambda: dict.fromkeys(("lost", "duplicated", "stale"), 0))
    """In the runs in which it struck."""


class Campaign:
    """Seeded runs of the faults that this machine permits; what they were like, by kind."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        missing = {each.name: each.missing() for each in faults}
        self.faults = [each for each in faults if missing[each.name] is None]
        self.left_out = {name: why for name, why in missing.items() if why}
        """Why the others are not tried."""
        self.records: dict[str, Record] = defaultdict(Record)
        self.seeds: list[int] = []
        """One a run, of that which was broken off too."""
        self.striking: str | None = None
        """What is there now; in the end, what a run was broken off in."""

    async def run(
        self, faults: Sequence[Fault], running: AbstractAsyncContextManager[StackBench], *, seed: int
    ) -> Verdict:
        """Let these strike a bench under load, in an order that the seed chooses, and judge."""
        order = Random(seed).sample(faults, k=len(faults))
        self.seeds.append(seed)
        async with running as bench:
            async with bench.under_load():
                for fault in order:
                    await self._strike(fault, bench)
            verdict = await bench.judged()
        self._count(faults, verdict)
        return verdict

    async def _strike(self, fault: Fault, bench: StackBench) -> None:
        before, self.striking, record = bench.load.done, fault.name, self.records[fault.name]
        bench.readers.may_fall = fault.redis_loses
        async with AsyncExitStack() as struck:
            await struck.enter_async_context(fault.strike(bench))
            await bench.last(bench.random.uniform(0, fault.lasts))
            since = time.monotonic()
            if not fault.outlived:
                await struck.aclose()
            await bench.recovered()
            record.recoveries.append(time.monotonic() - since)
        await bench.whole()
        bench.readers.may_fall = False
        record.commands += bench.load.done - before
        self.striking = None

    def _count(self, faults: Sequence[Fault], verdict: Verdict) -> None:
        for fault in faults:
            for kind in self.records[fault.name].wrong:
                self.records[fault.name].wrong[kind] += len(getattr(verdict, kind))

    def share(self, seed: int, size: int) -> Sequence[Fault]:
        """So many of the kinds that consecutive seeds go through all of them, then in another order."""
        parts = -(-len(self.faults) // size)
        deck = Random(seed // parts).sample(self.faults, k=len(self.faults))
        return deck[seed % parts :: parts]

    def never_fired(self, faults: Sequence[Fault]) -> list[str]:
        return [fault.name for fault in faults if not self.records[fault.name].recoveries]

    def table(self) -> str:
        """One line a kind, in the order in which they are listed; then those that could not be tried."""
        head = f"{'fault':<30} fired commands  lost dupl. stale  p50 s  max s"
        runs = f"{counted(len(self.seeds), 'run')} from --fault-seed {next(iter(self.seeds), 'none')} on"
        lines = [_line(fault.name, self.records[fault.name]) for fault in self.faults]
        broken_off = [f"broken off in: {self.striking}"] if self.striking else []
        left_out = [f"not run here: {name}: {why}" for name, why in self.left_out.items()]
        return "\n".join([runs, head, *lines, *left_out, *broken_off])


def _line(name: str, record: Record) -> str:
    lost, duplicated, stale = record.wrong.values()
    middle, most = (median(record.recoveries), max(record.recoveries)) if record.recoveries else (0.0, 0.0)
    numbers = f"{len(record.recoveries):>5} {record.commands:>8} {lost:>5} {duplicated:>5} {stale:>5}"
    return f"{name:<30} {numbers} {middle:>6.2f} {most:>6.2f}"
