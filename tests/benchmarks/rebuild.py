"""
What a rebuild costs those who read and write meanwhile.

    ./muster up, ./muster seed --people 100000 --groups 500, then
    .venv/bin/python -m tests.benchmarks.rebuild [--projection profiles] [--clients 8] [--rate 50] [--ops-url …]

So many clients look up people by id, each so many times a second at most, for some seconds before the rebuild and all
the time while it goes on; every half second a person is registered, and timed until they can be looked up. Prints
events a second, look-ups (median, 99th percentile, failed or missing ones), and how long registrations took to be seen.
"""

import argparse
import asyncio
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import httpx

from tests.support.access import client_at, headers_of_home

BEFORE_SECONDS = 10.0
REGISTRATION_SECONDS = 0.5
LOOK_SECONDS = 0.2


@dataclass
class Taken:
    """Milliseconds of what was asked, and what went wrong."""

    look_ups: list[float] = field(default_factory=list)
    registrations: list[float] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def told(self) -> str:
        return (
            f"look-ups {_quantiles(self.look_ups)}, {len(self.wrong)} failed or missing;"
            f" registrations seen after {_quantiles(self.registrations)}"
        )


class Clients:
    """Ask over connections of their own, with as little work of their own as can be."""

    def __init__(self, arguments: argparse.Namespace, ids: list[str]) -> None:
        self._address = urlsplit(arguments.read_url)
        self._headers = "".join(f"{name}: {value}\r\n" for name, value in headers_of_home(arguments.read_url).items())
        self._write_url = arguments.write_url
        self._pause = 1 / arguments.rate
        self._clients = arguments.clients
        self._ids = ids

    @asynccontextmanager
    async def asking(self) -> AsyncIterator[Taken]:
        taken = Taken()
        jobs = [self._look_up(number, taken) for number in range(self._clients)]
        tasks = [asyncio.create_task(each) for each in (*jobs, self._register(taken))]
        try:
            yield taken
        finally:
            for task in tasks:
                task.cancel()
            outcomes = await asyncio.gather(*tasks, return_exceptions=True)
            taken.wrong += [repr(each) for each in outcomes if not isinstance(each, asyncio.CancelledError)]

    async def _look_up(self, number: int, taken: Taken) -> None:
        get = await self._connected()
        for nth in range(number, 1_000_000_000, self._clients):
            began = time.perf_counter()
            status = await get(f"/profiles/{self._ids[nth % len(self._ids)]}")
            seconds = time.perf_counter() - began
            taken.look_ups.append(1e3 * seconds)
            if status != 200:
                taken.wrong.append(f"{status}")
            await asyncio.sleep(max(0.0, self._pause - seconds))

    async def _register(self, taken: Taken) -> None:
        get = await self._connected()
        async with client_at(self._write_url) as write:
            while True:
                handle = f"bystander-{time.time_ns()}"
                person = {"handle": handle, "email": f"{handle}@example.org", "display_name": "Bystander"}
                (await write.post("/commands/register-account", json=person)).raise_for_status()
                began = time.perf_counter()
                while await get(f"/profiles/by-handle/{handle}") == 404:  # noqa: ASYNC110 - as a client would
                    await asyncio.sleep(0.002)
                taken.registrations.append(1e3 * (time.perf_counter() - began))
                await asyncio.sleep(REGISTRATION_SECONDS)

    async def _connected(self) -> Callable[[str], Awaitable[int]]:
        host, port = self._address.hostname, self._address.port
        reader, writer = await asyncio.open_connection(host, port)

        async def get(path: str) -> int:
            writer.write(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n{self._headers}\r\n".encode())
            head = await reader.readuntil(b"\r\n\r\n")
            length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
            await reader.readexactly(int(length.partition(b":")[2]))
            return int(head.split(b" ", 2)[1])

        return get


def _quantiles(taken: list[float]) -> str:
    if len(taken) < 2:
        return f"{len(taken)}"
    quantiles = statistics.quantiles(taken, n=100)
    return f"{len(taken):,} (p50 {quantiles[49]:.2f} ms, p99 {quantiles[98]:.2f} ms, longest {max(taken):.0f} ms)"


async def _told(ops: httpx.AsyncClient, projection: str) -> dict[str, Any]:
    projections = (await ops.get("/status")).json()["projections"]
    return next(each for each in projections if each["name"] == projection)


async def rebuilt(ops: httpx.AsyncClient, projection: str) -> tuple[int, float]:
    """Order a rebuild and wait for its end; returns the events replayed and the seconds it took."""
    began = time.perf_counter()
    order = {"by": "a benchmark", "keep_old": 0}
    ordered = (await ops.post(f"/projections/{projection}/rebuild", json=order)).raise_for_status().json()
    while (told := await _told(ops, projection))["generation"] != ordered["building"]:  # noqa: ASYNC110 - likewise
        await asyncio.sleep(LOOK_SECONDS)
    live = next(each for each in told["generations"] if each["role"] == "live")
    return live["events"], time.perf_counter() - began


async def measure(arguments: argparse.Namespace) -> None:
    async with (
        client_at(arguments.read_url) as read,
        client_at(arguments.ops_url) as ops,
    ):
        page = (await read.get("/profiles?limit=200&sort=created_at")).json()["items"]
        clients = Clients(arguments, [each["account_id"] for each in page])
        async with clients.asking() as before:
            await asyncio.sleep(BEFORE_SECONDS)
        _print(f"before: {before.told()}")
        async with clients.asking() as meanwhile:
            events, seconds = await rebuilt(ops, arguments.projection)
        _print(f"rebuild: {events:,} events in {seconds:.1f} s, {events / seconds:,.0f} a second")
        _print(f"meanwhile: {meanwhile.told()}")


def _print(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - what it is for


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--projection", default="profiles")
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--rate", type=float, default=50.0)
    parser.add_argument("--write-url", default="http://127.0.0.1:8001")
    parser.add_argument("--read-url", default="http://127.0.0.1:8002")
    parser.add_argument("--ops-url", default="http://127.0.0.1:8003")
    asyncio.run(measure(parser.parse_args()))


if __name__ == "__main__":
    main()
