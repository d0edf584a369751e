"""
What a Muster holds for a long time: commands a second, how soon they are readable, and the memory of its processes.

    python -m tests.benchmarks.capacity [--minutes 30] [--rate 200] [--reads 400] [--json]

Registers and changes people at a running Muster (as `muster up` left its addresses) at a steady rate, and reads at
another. Every command in `SAMPLED` is read with Muster-Min-Position as soon as it is answered: from then until it was
read is its lag. What is answered 503, or cannot be begun in time, is counted and not made up for.
"""

import argparse
import asyncio
import os
import random
import statistics
import subprocess
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import msgspec

from shared.settings import Settings
from tests.support.access import headers_of_home
from tests.support.people import registration
from tests.support.raw_http import RawConnection

CLIENTS = 16
"""Of each kind."""

SAMPLED = 10
PROCESSES = ("muster write", "muster read", "muster project", "postgres -D", "/redis/server.conf")


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """Times in milliseconds, memory in MiB by process: at the start, half-way, and at the end."""

    minutes: float
    rate: float
    commands_per_second: float
    reads_per_second: float
    refused: Mapping[str, int]
    late: int
    command_p50: float
    command_p99: float
    lag_p50: float
    lag_p99: float
    lag_max: float
    memory: Mapping[str, tuple[int, int, int]]


@dataclass
class Measured:
    """What is counted while it runs; seconds."""

    people: list[str] = field(default_factory=list)
    commands: list[float] = field(default_factory=list)
    lags: list[float] = field(default_factory=list)
    reads: int = 0
    late: int = 0
    refused: Counter[str] = field(default_factory=Counter)


class Clients:
    """So many connections to one address; each request takes one that is free."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._free: asyncio.Queue[RawConnection] = asyncio.Queue()

    async def opened(self) -> "Clients":
        for _ in range(CLIENTS):
            self._free.put_nowait(await RawConnection.open(self._url, headers_of_home(self._url)))
        return self

    async def get(self, path: str, headers: str = "") -> int:
        client = await self._free.get()
        answer = await client.get(path, headers)
        self._free.put_nowait(client)
        return answer.status

    async def post(self, path: str, body: object) -> tuple[int, int]:
        """Its status, and the position it answered."""
        client = await self._free.get()
        answer = await client.post(path, msgspec.json.encode(body))
        self._free.put_nowait(client)
        return answer.status, int(answer.headers.get("muster-position", 0))


async def measure(*, write_url: str, read_url: str, home: Path, minutes: float, rate: float, reads: float) -> Result:
    measured, mark = Measured(), uuid4().hex[:8]
    write, read = await Clients(write_url).opened(), await Clients(read_url).opened()
    numbers = iter(range(10**9))

    async def command() -> None:
        await once(next(numbers), mark=mark, write=write, read=read, measured=measured)

    async def look() -> None:
        if measured.people:
            status = await read.get(f"/profiles/by-handle/{random.choice(measured.people)}")
            measured.reads += status in {200, 404}

    memory = [resident(home)]
    began, seconds = time.monotonic(), minutes * 60
    half = asyncio.get_running_loop().call_later(seconds / 2, lambda: memory.append(resident(home)))
    await asyncio.gather(
        paced(command, rate=rate, seconds=seconds, measured=measured),
        paced(look, rate=reads, seconds=seconds, measured=measured),
    )
    half.cancel()
    took = time.monotonic() - began
    memory.append(resident(home))
    return result(measured, minutes=minutes, rate=rate, took=took, memory=memory)


async def once(nth: int, *, mark: str, write: Clients, read: Clients, measured: Measured) -> None:
    """One command: every third changes a person; of those that register, some are read at once."""
    handle, began = f"c{mark}.{nth}", time.monotonic()
    changes = nth % 3 == 0 and measured.people
    body = {"account": f"@{measured.people[nth % len(measured.people)]}", "title": handle} if changes else None
    path = "/commands/update-profile" if body else "/commands/register-account"
    status, position = await write.post(path, body or registration(handle))
    answered = time.monotonic()
    if status != 200:
        measured.refused[str(status)] += 1
        return
    measured.commands.append(answered - began)
    if not changes:
        measured.people.append(handle)
    if not changes and nth % SAMPLED == 1:
        status = await read.get(f"/profiles/by-handle/{handle}", f"Muster-Min-Position: {position}\r\n")
        if status == 200:
            measured.lags.append(time.monotonic() - answered)
        else:
            measured.refused[f"read {status}"] += 1


async def paced(do: Callable[[], Awaitable[None]], *, rate: float, seconds: float, measured: Measured) -> None:
    """Begin one after the other at a steady rate; what would be more than `CLIENTS` behind is left out."""
    start, under_way = time.monotonic(), set[asyncio.Task[None]]()
    for nth in range(int(rate * seconds)):
        await asyncio.sleep(max(0.0, start + nth / rate - time.monotonic()))
        if len(under_way) > 4 * CLIENTS:
            measured.late += 1
            continue
        task = asyncio.ensure_future(do())
        under_way.add(task)
        task.add_done_callback(under_way.discard)
    await asyncio.gather(*under_way)


def resident(home: Path) -> dict[str, int]:
    """MiB of each process of the `muster up` at this home, with its descendants; what is shared counts once."""
    listing = subprocess.run(["ps", "-wweo", "pid=,ppid=,args="], capture_output=True, text=True, check=True)
    rows = [line.split(maxsplit=2) for line in listing.stdout.splitlines()]
    [up] = {parent for pid, parent, arguments in rows if "muster write" in arguments and belongs_to(pid, home)}
    found = {}
    for name in PROCESSES:
        family = {pid for pid, parent, arguments in rows if name in arguments and parent == up}
        while children := {pid for pid, parent, _ in rows if parent in family} - family:
            family |= children
        found[name] = sum(map(proportional, family)) // 1024
    return found


def proportional(pid: str) -> int:
    """KiB of a process, with its share of what it shares; 0 once it has ended."""
    try:
        told = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0
    return int(next(line.split()[1] for line in told.splitlines() if line.startswith("Pss:")))


def belongs_to(pid: str, home: Path) -> bool:
    """Whether `muster up` of this home has started a process, as a child of its own."""
    try:
        environment = Path(f"/proc/{pid}/environ").read_bytes()
        parent = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1]
        ups = Path(f"/proc/{parent}/cmdline").read_bytes()
    except OSError:
        return False
    return f"MUSTER_HOME={home}".encode() in environment.split(b"\0") and b"up" in ups.split(b"\0")


def result(measured: Measured, *, minutes: float, rate: float, took: float, memory: list[dict[str, int]]) -> Result:
    first, middle, last = memory[0], memory[len(memory) // 2], memory[-1]
    commands, lags = percentiles(measured.commands), percentiles(measured.lags)
    return Result(
        minutes=minutes,
        rate=rate,
        commands_per_second=round(len(measured.commands) / took, 1),
        reads_per_second=round(measured.reads / took, 1),
        refused=dict(measured.refused),
        late=measured.late,
        command_p50=commands[49],
        command_p99=commands[98],
        lag_p50=lags[49],
        lag_p99=lags[98],
        lag_max=round(max(measured.lags, default=0.0) * 1000, 1),
        memory={name: (first[name], middle[name], last[name]) for name in PROCESSES},
    )


def percentiles(seconds: list[float]) -> list[float]:
    """In milliseconds."""
    return [round(each * 1000, 1) for each in statistics.quantiles(seconds or [0.0, 0.0], n=100)]


def told(found: Result) -> str:
    lines = [
        f"{found.minutes:g} minutes at {found.rate:g} commands a second",
        f"commands held      {found.commands_per_second:8.1f} a second, {found.late} left out, refused {found.refused}",
        f"reads              {found.reads_per_second:8.1f} a second",
        f"command answered   p50 {found.command_p50:8.1f} ms   p99 {found.command_p99:8.1f} ms",
        f"lag until readable p50 {found.lag_p50:8.1f} ms   p99 {found.lag_p99:8.1f} ms   max {found.lag_max:8.1f} ms",
        "memory in MiB         start  half   end",
        *(f"  {name:<18} {a:6} {b:5} {c:5}" for name, (a, b, c) in found.memory.items()),
    ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--rate", type=float, default=200.0)
    parser.add_argument("--reads", type=float, default=400.0)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    settings = Settings.load(os.environ).with_addresses()
    urls = {"write_url": settings.required("write_url"), "read_url": settings.required("read_url")}
    found = asyncio.run(measure(**urls, home=settings.home, minutes=asked.minutes, rate=asked.rate, reads=asked.reads))
    print(msgspec.json.encode(found).decode() if asked.json else told(found))


if __name__ == "__main__":
    main()
