"""Commands: registrations against what users would write instead, import, latency, and how soon they are visible."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TypeAlias
from uuid import uuid4

import msgspec

from shared.runtime.exit_with_parent import ending_with_parent
from tests.benchmarks.baselines_venv import BASELINES, python_of_baselines
from tests.benchmarks.ceilings import pgbench
from tests.benchmarks.load_generator import Received, Request, Traffic
from tests.benchmarks.results import BenchResult, TurnSample, figures, judged
from tests.benchmarks.scenario import Scale
from tests.benchmarks.servers import BenchedMuster, BenchServers, baseline_server, migrate
from tests.benchmarks.sides import Contender, in_turns, percentiles, sending
from tests.support.raw_http import RawConnection
from tests.support.stack import MUSTER, environment

REGISTRATION = json.dumps(
    {
        "email": "{n}@people.example",
        "handle": "{n}",
        "external_id": "bench:{n}",
        "display_name": "Ada Lovelace",
        "given_name": "Ada",
        "family_name": "Lovelace",
        "title": "Analyst",
        "locale": "en-GB",
        "time_zone": "Europe/London",
        "tags": ["engineering", "mentor"],
        "attributes": {"floor": "4", "desk": "042"},
    }
)
REGISTER = Request("/commands/register-account", REGISTRATION, "POST", {"Idempotency-Key": "{n}"})
OURS = "Muster: write process with one worker, projector, PostgreSQL, tokens, events, idempotency"
PIPELINE = (
    "psycopg pipeline on ASGI: uvicorn, 1 worker, pool of 10, a trip and a transaction a command, Muster's tables"
)
ORM = "FastAPI and SQLAlchemy: uvicorn, 1 worker, pool of 10, a transaction a command, no events, no idempotency"
EVENTSOURCING = (
    "eventsourcing: 8 threads in process, pool of 10, two events a transaction, no HTTP, no state, no idempotency"
)


OTHERS = ("pipeline", "orm", "eventsourcing", "pgbench")
Connections: TypeAlias = asyncio.Queue[RawConnection]


WITHOUT_MAIL = {"Muster-No-Mail": "true"}
"""No other side writes mails."""


def prefix() -> str:
    """The beginning of names that no other run has used."""
    return f"b{uuid4().hex[:10]}."


def registering(url: str, headers: Mapping[str, str], *, connections: int = 64, mails: bool = False):
    """Send registrations, each of another person."""
    sent = headers if mails else {**headers, **WITHOUT_MAIL}

    async def run(seconds: float) -> Received:
        traffic = Traffic(url=url, requests=[REGISTER], headers=sent, connections=connections, unique=prefix())
        return await sending(traffic)(seconds)

    return run


@asynccontextmanager
async def registering_sides(
    muster: BenchedMuster, names: Collection[str], *, connections: int
) -> AsyncIterator[dict[str, Contender]]:
    """Ours, and those of the baselines that are named."""
    stack, servers = muster.stack, muster.servers
    counted = muster.pids("write", "postgres", "(projector)", "(valkey)")
    ours = registering(stack.addresses.write, stack.headers, connections=connections)
    sides = {"ours": Contender(what=OURS, run=ours, servers=counted)}
    async with AsyncExitStack() as running:
        for name, what in (("pipeline", PIPELINE), ("orm", ORM)):
            if name in names:
                database = servers.empty_database(name)
                if name == "pipeline":
                    migrate(database)
                url, pid = await running.enter_async_context(baseline_server(f"{name}_registration", servers, database))
                run = registering(url, {}, connections=connections)
                sides[name] = Contender(what=what, run=run, servers={name: [pid], "postgres": [servers.postgres.pid]})
        if "pgbench" in names:
            sides["pgbench"] = pgbench(servers)
        if "eventsourcing" in names:
            sides["eventsourcing"] = await running.enter_async_context(_eventsourcing(servers))
        yield sides


async def register(muster: BenchedMuster, size: Scale, wanted: Collection[str]) -> list[BenchResult]:
    """Registrations of 64 connections, in turns with each baseline."""
    names = [name for name in OTHERS if f"register-{name}" in wanted]
    async with registering_sides(muster, names, connections=64) as sides:
        turns = await in_turns(sides, rounds=size.rounds, seconds=size.seconds, warm_up=size.warm_up)
    what = "registrations a second over HTTP, 64 connections, durable"
    return [turns.compared(f"register-{name}", what, "ours", name) for name in names]


async def latency(muster: BenchedMuster, size: Scale, _: Collection[str]) -> list[BenchResult]:
    """One client, one command after the other."""
    async with registering_sides(muster, ["orm"], connections=1) as sides:
        turns = await in_turns(sides, rounds=size.rounds, seconds=size.seconds, warm_up=size.warm_up)
    what = "p50 of a registration, one client"
    return [turns.compared("latency-orm", what, "ours", "orm", unit="ms", of=lambda sample: sample.p50)]


async def importing(muster: BenchedMuster, size: Scale, _: Collection[str]) -> list[BenchResult]:
    """`muster import` of a file, in turns with registrations over HTTP."""
    lines = int(3_000 * size.seconds)
    async with registering_sides(muster, [], connections=64) as sides:

        async def run(seconds: float) -> Received:
            return await _import(muster, lines=max(100, int(lines * seconds / size.seconds)))

        counted = muster.pids("write", "postgres", "(projector)", "(valkey)")
        imported = Contender(what=f"muster import of {lines:,} lines; its start included", run=run, servers=counted)
        both = {"import": imported, **sides}
        turns = await in_turns(both, rounds=size.rounds, seconds=size.seconds, warm_up=size.warm_up)
    what = "commands a second by `muster import`, which streams NDJSON"
    return [turns.compared("import", what, "import", "ours")]


async def _import(muster: BenchedMuster, *, lines: int) -> Received:
    file, begin = Path(muster.servers.home / "import.jsonl"), prefix()
    line = json.dumps({"command": "register-account", **json.loads(REGISTRATION)})
    file.write_text("".join(f"{line}\n".replace("{n}", f"{begin}{nth}") for nth in range(lines)))
    began = time.perf_counter()
    process = await asyncio.create_subprocess_exec(
        *ending_with_parent([*MUSTER, "import", "--no-mail", str(file)]),
        env=environment(MUSTER_HOME=str(muster.stack.home)),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    status = await process.wait()
    return Received(lines, time.perf_counter() - began, 0.0, 0.0, int(status != 0))


@asynccontextmanager
async def _eventsourcing(servers: BenchServers) -> AsyncIterator[Contender]:
    process = await asyncio.create_subprocess_exec(
        *ending_with_parent([str(python_of_baselines()), str(BASELINES / "eventsourcing_registration.py")]),
        env={"DATABASE_URL": servers.empty_database("eventsourcing"), "PATH": "/usr/bin:/bin"},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(f"{REGISTRATION}\n".encode())

    async def run(seconds: float) -> Received:
        process.stdin.write(f"{seconds}\n".encode())
        return msgspec.json.decode(await process.stdout.readline(), type=Received)

    counted = {"eventsourcing": [process.pid], "postgres": [servers.postgres.pid]}
    try:
        yield Contender(what=EVENTSOURCING, run=run, servers=counted)
    finally:
        process.stdin.close()
        process.kill()
        await process.wait()


async def visible(muster: BenchedMuster, size: Scale, _: Collection[str]) -> list[BenchResult]:
    """From the answer to a command until a read that asks for its position is answered, at a steady rate."""
    lags = Lags(muster, rate=size.visible_rate)
    await lags.measured(seconds=size.warm_up)
    rounds = [await lags.measured(seconds=size.seconds * 2) for _ in range(size.rounds)]
    what = f"milliseconds from a command's answer until it was read, at {size.visible_rate:.0f} commands a second"
    return [
        _of_lags("visible", f"p50 of the {what}", rounds, of=lambda sample: sample.p50),
        _of_lags("visible-p99", f"p99 of the {what}", rounds, of=lambda sample: sample.p99),
    ]


def _of_lags(name: str, what: str, rounds: list[TurnSample], *, of) -> BenchResult:
    numbers = sorted(of(each) for each in rounds)
    ours = figures(rounds, what="every fifth registration is read by handle with Muster-Min-Position")
    spread = (numbers[0], numbers[-1])
    return judged(
        BenchResult(name=name, what=what, unit="ms", value=numbers[len(numbers) // 2], spread=spread, ours=ours)
    )


class Lags:
    """Registers at a steady rate, and reads some of those registered as soon as they may be there."""

    CONNECTIONS = 16
    READ = 5
    """One in so many."""

    def __init__(self, muster: BenchedMuster, *, rate: float) -> None:
        self._muster = muster
        self._addresses, self._headers = muster.stack.addresses, {**muster.stack.headers, **WITHOUT_MAIL}
        self._rate = rate

    async def measured(self, *, seconds: float) -> TurnSample:
        """Rate is that of the commands; p50 and p99 are of the lags, in milliseconds."""
        writes = await self._connections(self._addresses.write)
        reads = await self._connections(self._addresses.read)
        lags, commands = list[float](), int(self._rate * seconds)
        begin, began = prefix(), time.perf_counter()
        async with asyncio.TaskGroup() as tasks:
            for nth in range(commands):
                await asyncio.sleep(max(0.0, began + nth / self._rate - time.perf_counter()))
                write = await writes.get()
                read = reads if nth % self.READ == 0 else None
                tasks.create_task(self._once(f"{begin}{nth}", write, writes, read, lags))
        took = time.perf_counter() - began
        for _ in range(self.CONNECTIONS):
            (await writes.get()).close()
            (await reads.get()).close()
        p50, p99 = percentiles(lags)
        return TurnSample(rate=commands / took, p50=p50, p99=p99)

    async def _once(
        self, name: str, write: RawConnection, writes: Connections, reads: Connections | None, lags: list[float]
    ) -> None:
        """Register; where there are connections to read by, read as well."""
        answer = await write.post(REGISTER.path, REGISTRATION.replace("{n}", name).encode())
        answered = time.perf_counter()
        writes.put_nowait(write)
        assert answer.status == 200, answer
        if reads is not None:
            read = await reads.get()
            wait = f"Muster-Min-Position: {answer.headers['muster-position']}\r\n"
            record = await read.get(f"/profiles/by-handle/{name}", wait)
            lags.append(time.perf_counter() - answered)
            reads.put_nowait(read)
            assert record.status == 200, record

    async def _connections(self, url: str) -> Connections:
        free: Connections = asyncio.Queue()
        for _ in range(self.CONNECTIONS):
            free.put_nowait(await RawConnection.open(url, self._headers))
        return free
