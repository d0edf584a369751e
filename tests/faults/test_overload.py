"""More is asked than can be done, or asked very slowly: everybody is told within seconds, and nobody else notices."""

import asyncio
import math
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager, closing
from pathlib import Path
from statistics import median
from typing import NamedTuple
from urllib.parse import urlsplit

import httpx
import msgspec

from shared.server.limits import ServerLimits
from shared.server.serving import allow_open_files
from tests.support.access import headers_for
from tests.support.patience import SECONDS, not_behind
from tests.support.processes import family
from tests.support.raw_http import RawConnection
from tests.support.stack import Child, Stack

CLIENTS = 1_000
"""More than a write process takes on."""

OPENING = 50
"""Connections that are opened at once: a busy machine would keep more from asking until they are ended for that."""

LOAD_SECONDS = 2.0
ANSWER_SECONDS = 10.0
"""What an answer may take: two for a turn, the rest for the event loop of the clients."""

ALONE_SECONDS = 0.05
"""In which a client that is alone has its answer, unless the machine is busy: then all may take as much longer."""

GROWTH = 64 * 1024
"""By how much the memory of a process may grow, in KiB."""

SLOW = 40
"""Clients of each kind."""

DEAF = 10
DEAF_MEGABYTES = 24
"""Of lines that each sends, twice as many of answers: more than all buffers on the way and the process may hold."""

IDLE = 1_000

LINES = b'{"command": "close-account", "%b": 1}\n' % (b"x" * 60_000) * 16
"""Each is answered at twice its length: with the name of the field that is none."""


class Timed(NamedTuple):
    status: int
    retry_after: str | None
    seconds: float
    position: int


async def test_beyond_its_capacity_it_says_so_within_a_bounded_time(mortal_stack):
    """200 or 503 with Retry-After; memory does not grow with what is asked, and right after all is as ever."""
    await mortal_stack.ready()
    longest = ANSWER_SECONDS * await slowdown(mortal_stack.addresses.write, "p1449")
    before = resident(mortal_stack, Child.WRITE)

    answers = await hammered(mortal_stack.addresses.write, name="p1450")

    assert {each.status for each in answers} == {200, 503}
    assert all(each.retry_after for each in answers if each.status == 503)
    assert max(each.seconds for each in answers) < longest
    assert resident(mortal_stack, Child.WRITE) - before < GROWTH
    async with asyncio.timeout(longest):
        assert [each.status for each in await in_turn(mortal_stack.addresses.write, "p1451", 20)] == [200] * 20


async def test_slow_clients_hold_nobody_up(mortal_stack):
    """Half-open connections, bodies that do not come, streams that idle, answers that nobody reads."""
    addresses = mortal_stack.addresses
    await mortal_stack.ready()
    longest = await slowdown(addresses.write, "p1453")
    with ExitStack() as open_sockets:
        for url in (addresses.write, addresses.read):
            for said in slow_words(mortal_stack.headers):
                open_sockets.enter_context(half_open(url, said))

        answers = await in_turn(addresses.write, "p1452", 20)
        async with httpx.AsyncClient(
            base_url=addresses.read, headers=mortal_stack.headers, timeout=SECONDS, trust_env=False
        ) as client:
            await not_behind(lambda: client.get(f"/groups?{once_visible(answers)}"))
            found = [await client.get(f"/groups/p1452.{n}") for n in range(20)]

    assert [each.status for each in answers] == [200] * 20
    assert median(each.seconds for each in answers) < longest
    assert {each.status_code for each in found} == {200}


async def test_answers_that_nobody_reads_fill_no_memory(mortal_stack):
    """What a client that reads nothing has sent is carried out and answered; its answers wait on disk."""
    url = mortal_stack.addresses.write
    await mortal_stack.ready()
    longest = await slowdown(url, "p1599")
    before = resident(mortal_stack, Child.WRITE)
    async with deaf_streams(url, mortal_stack.headers) as streams:
        await asyncio.gather(*streams)

        answers = await in_turn(url, "p1600", 20)
        after = resident(mortal_stack, Child.WRITE)

    assert [each.status for each in answers] == [200] * 20
    assert median(each.seconds for each in answers) < longest
    assert after - before < GROWTH


async def test_connections_that_idle_hold_nobody_up(mortal_stack):
    """
    A thousand at each process: they are far from what one takes, and cost it little.

    Each has asked once, for a connection without a request is soon ended.
    """

    async def post(connection: RawConnection) -> None:
        assert (await connection.post("/commands/close-account", b"{}")).status == 422

    async def get(connection: RawConnection) -> None:
        assert (await connection.get("/stats")).status == 200

    addresses = mortal_stack.addresses
    allow_open_files(ServerLimits().open_files)
    await mortal_stack.ready()
    longest = await slowdown(addresses.write, "p1602")
    before = {child: resident(mortal_stack, child) for child in (Child.WRITE, Child.READ)}
    async with connections(addresses.write, IDLE, first=post), connections(addresses.read, IDLE, first=get) as readers:
        answers = await in_turn(addresses.write, "p1601", 20)
        async with mortal_stack.client(addresses.read) as client:
            await not_behind(lambda: client.get(f"/groups?{once_visible(answers)}"))
        found = [await readers[n].get(f"/groups/p1601.{n}") for n in range(20)]
        after = {child: resident(mortal_stack, child) for child in before}

    assert [each.status for each in answers] == [200] * 20
    assert median(each.seconds for each in answers) < longest
    assert {each.status for each in found} == {200}
    assert all(after[child] - before[child] < GROWTH for child in before)


@asynccontextmanager
async def deaf_streams(url: str, headers: Mapping[str, str]) -> AsyncIterator[list[asyncio.Task[None]]]:
    """Clients that send lines, each answered at length, and read nothing: done once they have sent all."""
    who = "".join(f"{name}: {value}\r\n" for name, value in {"Host": "muster", **headers}.items()).encode()
    said = b"POST /commands HTTP/1.1\r\n%bContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n"
    with ExitStack() as open_sockets:
        connections = [open_sockets.enter_context(half_open(url, said % who)) for _ in range(DEAF)]
        sending = [asyncio.create_task(send_lines(each)) for each in connections]
        try:
            yield sending
        finally:
            for each in sending:
                each.cancel()
            await asyncio.wait(sending)


async def send_lines(connection: socket.socket) -> None:
    connection.settimeout(0)
    for _ in range(DEAF_MEGABYTES):
        await asyncio.get_running_loop().sock_sendall(connection, b"%x\r\n%b\r\n" % (len(LINES), LINES))


def slow_words(headers: Mapping[str, str]) -> list[bytes]:
    """What slow clients say, and then nothing more for a long time."""
    who = "".join(f"{name}: {value}\r\n" for name, value in {"Host": "muster", **headers}.items()).encode()
    about = who + b"Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n"
    stream = who + b"Content-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n"
    kinds = [
        b"GET /livez HTTP/1.1\r\nHost: mus",
        b"POST /commands/register-account HTTP/1.1\r\n%b{" % about,
        b"POST /profiles/batch-get HTTP/1.1\r\n%b{" % about,
        b"POST /commands HTTP/1.1\r\n%b" % stream,
        b"GET /openapi.json HTTP/1.1\r\nHost: muster\r\n\r\n" * 20,
    ]
    return kinds * SLOW


def half_open(url: str, said: bytes) -> socket.socket:
    parts = urlsplit(url)
    connection = socket.create_connection((parts.hostname, parts.port), timeout=SECONDS)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.sendall(said)
    return connection


async def hammered(url: str, *, name: str) -> list[Timed]:
    """What clients are answered who ask again and again, whatever they are told, until all have done so for a while."""
    opening, ends = asyncio.Semaphore(OPENING), [math.inf] * CLIENTS

    async def client(nth: int) -> list[Timed]:
        async with opening:
            connection = await RawConnection.open(url, headers_for(url))
        ends[nth] = time.monotonic() + LOAD_SECONDS
        answers: list[Timed] = []
        with closing(connection):
            while time.monotonic() < max(ends):
                answers.append(await timed(connection, f"{name}.{nth}.{len(answers)}"))
        return answers

    answered = await asyncio.gather(*map(client, range(CLIENTS)))
    return [each for some in answered for each in some]


async def in_turn(url: str, name: str, count: int) -> list[Timed]:
    async with connections(url, 1) as [client]:
        return [await timed(client, f"{name}.{nth}") for nth in range(count)]


async def slowdown(url: str, name: str) -> float:
    """How many times as long as a machine that is not busy this one takes for an answer; once at least."""
    return max(1.0, median(each.seconds for each in await in_turn(url, name, 20)) / ALONE_SECONDS)


async def timed(client: RawConnection, name: str) -> Timed:
    began = time.monotonic()
    answer = await client.post("/commands/create-group", msgspec.json.encode({"slug": name, "name": name}))
    seconds, told = time.monotonic() - began, answer.headers
    return Timed(answer.status, told.get("retry-after"), seconds, int(told.get("muster-position", 0)))


def once_visible(answers: Sequence[Timed]) -> str:
    """By which a reader waits for all that was answered."""
    return f"min_position={max(each.position for each in answers)}"


@asynccontextmanager
async def connections(
    url: str, count: int, *, first: Callable[[RawConnection], Awaitable[None]] | None = None
) -> AsyncIterator[list[RawConnection]]:
    """:param first: what is asked on each as soon as it is open."""
    opening = asyncio.Semaphore(OPENING)

    async def one() -> RawConnection:
        async with opening:
            connection = await RawConnection.open(url, headers_for(url))
            if first:
                await first(connection)
        return connection

    opened = await asyncio.gather(*(one() for _ in range(count)))
    try:
        yield opened
    finally:
        for each in opened:
            each.close()


def resident(stack: Stack, child: Child) -> int:
    """The memory of a process and its workers, in KiB."""
    pid = stack.pid(child)
    assert pid is not None
    return sum(int(Path(f"/proc/{each}/statm").read_text().split()[1]) * 4 for each in family(pid))
