"""
What a group of very many costs: one more member, another name, its end.

    ./muster up, ./muster seed --people 100000, then
    .venv/bin/python -m tests.benchmarks.big_group --group everyone [--write-url …] [--read-url …] [--end]

The group must be there. Adds one new member to it and renames it, while four clients look up its members one after the
other; with --end it is deleted in the end. Prints when each command was answered, when its effect could be read for all
members (`Muster-Min-Position` of the last of them), how long a command of another client took to be seen meanwhile, and
how long look-ups took before and meanwhile.
"""

import argparse
import asyncio
import statistics
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx

from tests.support.access import client_at

CLIENTS = 4
BEFORE_SECONDS = 5.0


class BigGroup:
    """Commands and questions about one group."""

    def __init__(self, write: httpx.AsyncClient, read: httpx.AsyncClient, group: str) -> None:
        self._write, self._read, self._group = write, read, group
        self.ids: list[str] = []

    async def prepare(self) -> None:
        members = (await self._read.get(f"/groups/{self._group}/members?limit=200")).json()["items"]
        self.ids = [each["account_id"] for each in members]

    async def command(self, command: str, /, **fields: Any) -> int:
        answer = await self._write.post(f"/commands/{command}", json=fields)
        return int(answer.raise_for_status().headers["muster-position"])

    async def members(self) -> int:
        return int((await self._read.get(f"/groups/{self._group}")).json()["member_count"])

    async def reached(self, position: int, *, path: str = "/profiles?limit=1") -> float:
        """Return when a position can be read everywhere."""
        while True:
            answer = await self._read.get(path, headers={"Muster-Min-Position": str(position)})
            if answer.status_code != 503:
                return time.perf_counter()

    async def seen(self, handle: str) -> float:
        """Return when a person can be looked up who was registered just now."""
        while (await self._read.get(f"/profiles/by-handle/{handle}")).status_code == 404:
            pass
        return time.perf_counter()

    @asynccontextmanager
    async def looking_up(self) -> AsyncIterator[list[float]]:
        """Milliseconds of every look-up meanwhile."""
        taken: list[float] = []

        async def client(number: int) -> None:
            for nth in range(number, 1_000_000_000, CLIENTS):
                began = time.perf_counter()
                answer = await self._read.get(f"/profiles/{self.ids[nth % len(self.ids)]}")
                taken.append(1e3 * (time.perf_counter() - began))
                answer.raise_for_status()

        tasks = [asyncio.create_task(client(number)) for number in range(CLIENTS)]
        try:
            yield taken
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def timed(self, what: str, command: str, /, **fields: Any) -> None:
        """Carry out a command of the group, and one of another client right behind it."""
        handle = f"bystander-{time.time_ns()}"
        async with self.looking_up() as taken:
            began = time.perf_counter()
            position = await self.command(command, group=self._group, **fields)
            answered = time.perf_counter()
            await self.command("register-account", handle=handle, email=f"{handle}@example.org", display_name="By")
            registered = time.perf_counter()
            bystander = await self.seen(handle)
            done = await self.reached(position)
            done = max(done, await self.reached(position, path="/groups?limit=1"))
        told = f"answered in {1e3 * (answered - began):.1f} ms, everywhere after {done - began:.2f} s"
        _print(f"{what}: {told}; a registration behind it seen after {1e3 * (bystander - registered):.0f} ms")
        _print(f"  look-ups meanwhile: {_quantiles(taken)}")


def _quantiles(taken: list[float]) -> str:
    quantiles = statistics.quantiles(taken, n=100) if len(taken) > 1 else [0.0] * 99
    return f"{len(taken):,}, p50 {quantiles[49]:.2f} ms, p99 {quantiles[98]:.2f} ms"


def _print(text: str) -> None:
    print(text, flush=True)


async def measure(arguments: argparse.Namespace) -> None:
    async with (
        client_at(arguments.write_url) as write,
        client_at(arguments.read_url) as read,
    ):
        bench = BigGroup(write, read, arguments.group)
        await bench.prepare()
        _print(f"{await bench.members():,} members")
        async with bench.looking_up() as taken:
            await asyncio.sleep(BEFORE_SECONDS)
        _print(f"  look-ups before: {_quantiles(taken)}")
        handle = f"late-{time.time_ns()}"
        await bench.command("register-account", handle=handle, email=f"{handle}@example.org", display_name="Late")
        await bench.timed("one more member", "add-group-member", account=f"@{handle}")
        await bench.timed("another name", "update-group", name=f"Renamed {time.time_ns()}")
        if arguments.end:
            await bench.timed("the end", "delete-group")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--group", required=True)
    parser.add_argument("--write-url", default="http://127.0.0.1:8001")
    parser.add_argument("--read-url", default="http://127.0.0.1:8002")
    parser.add_argument("--end", action="store_true")
    asyncio.run(measure(parser.parse_args()))


if __name__ == "__main__":
    main()
