"""What Muster holds for a long time: commands a second, how soon they are readable, and the memory of its processes."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field

from tests.benchmarks.processes import resident_mib
from tests.benchmarks.results import BenchResult
from tests.benchmarks.scenario import Scale
from tests.benchmarks.scenarios.writes import REGISTER, REGISTRATION, Connections, prefix
from tests.benchmarks.servers import BenchedMuster
from tests.benchmarks.sides import percentiles
from tests.support.raw_http import RawAnswer, RawConnection

CLIENTS = 16
"""Of each API; what would be more than four times as many behind is left out, and counted."""

SAMPLED = 10
"""One registration in so many is read at once, with its position."""


@dataclass
class _Counts:
    """Of a soak; seconds."""

    people: list[str] = field(default_factory=list)
    commands: list[float] = field(default_factory=list)
    lags: list[float] = field(default_factory=list)
    reads: int = 0
    late: int = 0
    refused: Counter[int] = field(default_factory=Counter)


async def soak(muster: BenchedMuster, size: Scale, _: Collection[str]) -> list[BenchResult]:
    """Register and change people at a steady rate, and read at another; the number is what it held."""
    counts, seconds = _Counts(), 60 * size.soak_minutes
    write, read = [await _opened(muster, url) for url in (muster.stack.addresses.write, muster.stack.addresses.read)]
    begin, numbers = prefix(), iter(range(10**9))

    async def command() -> None:
        await _command(next(numbers), begin, write=write, read=read, counts=counts)

    async def look() -> None:
        if counts.people:
            await _asked(read, lambda each: each.get(f"/profiles/by-handle/{random.choice(counts.people)}"))
            counts.reads += 1

    before, began = _memory(muster), time.perf_counter()
    async with asyncio.TaskGroup() as paces:
        paces.create_task(_paced(command, rate=size.soak_rate, seconds=seconds, counts=counts))
        paces.create_task(_paced(look, rate=size.soak_reads, seconds=seconds, counts=counts))
    took = time.perf_counter() - began
    memory = {f"MiB of {name}": f"{mib}, then {_memory(muster)[name]}" for name, mib in before.items()}
    what = f"commands a second held for {size.soak_minutes:g} minutes, of {size.soak_rate:g} that were sent"
    held = len(counts.commands) / took
    return [BenchResult(name="soak", what=what, unit="/s", value=held, details={**_told(counts, took), **memory})]


def _told(counts: _Counts, took: float) -> Mapping[str, float | str]:
    command, lag = percentiles(counts.commands), percentiles(counts.lags)
    return {
        "answered p50 ms": command[0],
        "answered p99 ms": command[1],
        "readable p50 ms": lag[0],
        "readable p99 ms": lag[1],
        "reads a second": counts.reads / took,
        "not begun in time": counts.late,
        "refused": str(dict(counts.refused)),
    }


async def _command(nth: int, begin: str, *, write: Connections, read: Connections, counts: _Counts) -> None:
    """Every third changes a person; of those that register, some are read at once."""
    handle, began = f"{begin}{nth}", time.perf_counter()
    changes = nth % 3 == 0 and counts.people
    update = f'{{"account": "@{counts.people[nth % len(counts.people)]}", "title": "{handle}"}}' if changes else ""
    path, body = (
        ("/commands/update-profile", update) if changes else (REGISTER.path, REGISTRATION.replace("{n}", handle))
    )
    answer = await _asked(write, lambda each: each.post(path, body.encode()))
    answered = time.perf_counter()
    if answer.status != 200:
        counts.refused[answer.status] += 1
        return
    counts.commands.append(answered - began)
    if not changes:
        counts.people.append(handle)
    if not changes and nth % SAMPLED == 1:
        wait = f"Muster-Min-Position: {answer.headers['muster-position']}\r\n"
        record = await _asked(read, lambda each: each.get(f"/profiles/by-handle/{handle}", wait))
        counts.lags.append(time.perf_counter() - answered)
        assert record.status == 200, record


async def _asked(free: Connections, ask: Callable[[RawConnection], Awaitable[RawAnswer]]) -> RawAnswer:
    connection = await free.get()
    answer = await ask(connection)
    free.put_nowait(connection)
    return answer


async def _paced(do: Callable[[], Awaitable[None]], *, rate: float, seconds: float, counts: _Counts) -> None:
    """Begin one after the other at a steady rate."""
    start, under_way = time.perf_counter(), set[asyncio.Task[None]]()
    async with asyncio.TaskGroup() as tasks:
        for nth in range(int(rate * seconds)):
            await asyncio.sleep(max(0.0, start + nth / rate - time.perf_counter()))
            if len(under_way) > 4 * CLIENTS:
                counts.late += 1
                continue
            task = tasks.create_task(do())
            under_way.add(task)
            task.add_done_callback(under_way.discard)


async def _opened(muster: BenchedMuster, url: str) -> Connections:
    free: Connections = asyncio.Queue()
    for _ in range(CLIENTS):
        free.put_nowait(await RawConnection.open(url, muster.stack.headers))
    return free


def _memory(muster: BenchedMuster) -> dict[str, int]:
    pids = muster.pids("write", "read", "projector", "postgres", "valkey")
    return {name: resident_mib(*each) for name, each in pids.items()}
