"""
The load where there is no wrk: asyncio protocols on uvloop, HTTP/1.1 over kept connections (RFC 9112).

    python -m tests.benchmarks.python_client SECONDS < LOAD

Reads a `Traffic` as JSON, and prints what `Received` holds.
"""

import asyncio
import itertools
import statistics
import sys
import time
from collections.abc import Callable
from urllib.parse import urlsplit

import msgspec
import uvloop

from tests.benchmarks.load_generator import Received, Request, Traffic

Next = Callable[[], bytes]


class Connection(asyncio.Protocol):
    """Sends the next request once the one before is answered; answers must have a Content-Length."""

    def __init__(self, following: Next, taken: list[float], failed: list[int]) -> None:
        self._following = following
        self._taken, self._failed = taken, failed
        self._received = b""
        self._began = 0.0

    def connection_made(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._send()

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, end, body = self._received.partition(b"\r\n\r\n")
        if not end or len(body) < _length(head):
            return
        self._taken.append(time.perf_counter() - self._began)
        if not head.startswith((b"HTTP/1.1 2", b"HTTP/1.1 3")):
            self._failed.append(int(head.split(b" ", 2)[1]))
        self._received = b""
        self._send()

    def _send(self) -> None:
        self._began = time.perf_counter()
        self._transport.write(self._following())


def _length(head: bytes) -> int:
    lines = head.lower().split(b"\r\n")
    return next((int(line.partition(b":")[2]) for line in lines if line.startswith(b"content-length:")), 0)


def following(traffic: Traffic) -> Next:
    """Return what gives one request after the other, ready to be sent."""
    numbers, turns = itertools.count(), itertools.cycle(traffic.requests)
    if traffic.unique is None:
        ready = itertools.cycle([_encoded(each, traffic, "") for each in traffic.requests])
        return lambda: next(ready)
    return lambda: _encoded(next(turns), traffic, f"{traffic.unique}{next(numbers)}")


def _encoded(request: Request, traffic: Traffic, n: str) -> bytes:
    body = (request.body or "").replace("{n}", n).encode()
    headers = {"Host": urlsplit(traffic.url).netloc, **traffic.headers, **request.headers}
    if request.body is not None:
        headers |= {"Content-Type": "application/json", "Content-Length": str(len(body))}
    lines = [f"{request.method} {request.path} HTTP/1.1", *(f"{name}: {text}" for name, text in headers.items())]
    return "\r\n".join([*lines, "", ""]).replace("{n}", n).encode() + body


async def send(traffic: Traffic, *, seconds: float) -> Received:
    """Send for so many seconds."""
    loop, where = asyncio.get_running_loop(), urlsplit(traffic.url)
    give, taken, failed = following(traffic), list[float](), list[int]()
    began = time.perf_counter()
    connections = [
        await loop.create_connection(lambda: Connection(give, taken, failed), where.hostname, where.port)
        for _ in range(traffic.connections)
    ]
    await asyncio.sleep(seconds)
    took, milliseconds = time.perf_counter() - began, [1e3 * each for each in taken]
    for transport, _ in connections:
        transport.abort()
    cuts = statistics.quantiles(milliseconds or [0.0, 0.0], n=100)
    return Received(len(milliseconds), took, cuts[49], cuts[98], len(failed))


def main() -> None:
    traffic = msgspec.json.decode(sys.stdin.buffer.read(), type=Traffic)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        sys.stdout.buffer.write(msgspec.json.encode(runner.run(send(traffic, seconds=float(sys.argv[1])))))


if __name__ == "__main__":
    main()
