"""
How long a command takes to be readable: from the answer of the write API to the answer of the read API.

    python -m tests.benchmarks.visibility [--commands 1000] [--rate 100]

Posts `register-account` to a running Muster (as `muster up` left its addresses) at a steady rate, and reads each person
by handle, with Muster-Min-Position, as soon as the command was answered; then once more, when nothing has to be waited
for, as the baseline. Prints milliseconds and the ratio.
"""

import argparse
import asyncio
import os
import statistics
import time
from collections.abc import Sequence
from typing import NamedTuple
from uuid import uuid4

import msgspec

from shared.settings import Settings
from tests.support.access import headers_of_home
from tests.support.raw_http import RawConnection

CLIENTS = 10


class Client(NamedTuple):
    write: RawConnection
    read: RawConnection


class Measured(NamedTuple):
    """Milliseconds: of the command, from its answer until it was read, and of a read with nothing to wait for."""

    command: float
    readable: float
    baseline: float


async def measure(*, write_url: str, read_url: str, commands: int, rate: float) -> list[Measured]:
    clients: asyncio.Queue[Client] = asyncio.Queue()
    for _ in range(CLIENTS):
        connections = [await RawConnection.open(url, headers_of_home(url)) for url in (write_url, read_url)]
        clients.put_nowait(Client(*connections))
    # The first connections and plans are not what is measured.
    await asyncio.gather(*(once(clients, f"warm-{uuid4().hex[:12]}-{n}") for n in range(5 * CLIENTS)))
    start, tasks = time.perf_counter(), []
    for n in range(commands):
        await asyncio.sleep(max(0.0, start + n / rate - time.perf_counter()))
        tasks.append(asyncio.create_task(once(clients, f"b-{uuid4().hex[:12]}-{n}")))
    return await asyncio.gather(*tasks)


async def once(clients: "asyncio.Queue[Client]", handle: str) -> Measured:
    client = await clients.get()
    command = msgspec.json.encode({"email": f"{handle}@example.org", "handle": handle, "display_name": "Ada"})
    posted = time.perf_counter()
    outcome = await client.write.post("/commands/register-account", command)
    answered = time.perf_counter()
    wait = f"Muster-Min-Position: {outcome.headers['muster-position']}\r\n"
    record = await client.read.get(f"/profiles/by-handle/{handle}", wait)
    seen = time.perf_counter()
    await client.read.get(f"/profiles/by-handle/{handle}")
    seen_again = time.perf_counter()
    assert (outcome.status, record.status) == (200, 200)
    assert msgspec.json.decode(record.body)["account_id"] == msgspec.json.decode(outcome.body)["id"]
    clients.put_nowait(client)
    return Measured((answered - posted) * 1000, (seen - answered) * 1000, (seen_again - seen) * 1000)


def told(name: str, milliseconds: Sequence[float]) -> str:
    cuts = statistics.quantiles(milliseconds, n=100)
    return f"{name:<24} p50 {cuts[49]:7.2f} ms   p99 {cuts[98]:7.2f} ms   max {max(milliseconds):7.2f} ms"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--commands", type=int, default=1000)
    parser.add_argument("--rate", type=float, default=100.0)
    asked = parser.parse_args()
    settings = Settings.load(os.environ).with_addresses()
    urls = {"write_url": settings.required("write_url"), "read_url": settings.required("read_url")}
    command, readable, baseline = zip(
        *asyncio.run(measure(**urls, commands=asked.commands, rate=asked.rate)), strict=True
    )
    print(f"{asked.commands} commands at {asked.rate:g} a second")  # noqa: T201
    print(told("command answered", command))  # noqa: T201
    print(told("answered to readable", readable))  # noqa: T201
    print(told("read again (baseline)", baseline))  # noqa: T201
    print(f"readable / baseline, p50   {statistics.median(readable) / statistics.median(baseline):.2f}")  # noqa: T201


if __name__ == "__main__":
    main()
