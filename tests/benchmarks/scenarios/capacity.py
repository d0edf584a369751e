"""What `muster plan` reckons with: memory, log, reads, commands and fills, over partitions and over nodes."""

import asyncio
from collections.abc import AsyncIterator, Collection, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import httpx
from redis import Redis

from shared.dev_stack.embedded.cluster import ClusterNode, EmbeddedCluster
from shared.dev_stack.embedded.redis import EmbeddedRedis
from shared.runtime.retry import poll
from tests.benchmarks.generated_log import GeneratedLog, load
from tests.benchmarks.load_generator import Request, Traffic
from tests.benchmarks.processes import cpu_seconds
from tests.benchmarks.results import BenchResult, figures
from tests.benchmarks.scenario import Scale
from tests.benchmarks.scenarios.reads import questions, require_answers
from tests.benchmarks.scenarios.rebuilds import copy_and_decode, replays
from tests.benchmarks.scenarios.writes import registering
from tests.benchmarks.servers import BenchServers, measured, migrate, running_servers
from tests.benchmarks.sides import Contender, in_turns, sending

READS = {"look-up": "by-id", "batch": "batch", "page": "page", "search": "search"}
"""Kinds of reads, and what the other benchmarks call them."""

POINTS = ((1, 1), (3, 1), (12, 1), (48, 1), (12, 2), (3, 3), (12, 3))
"""Partitions and nodes."""

COMMANDED = ("1/1", "12/1", "12/3")
PROCESSES = (1, 2, 3)
EVENTS_A_PERSON, PEOPLE_A_GROUP = 4, 50
LEVEL_SECONDS = 600.0
IN_THE_PROJECTOR = "filling.here=1000000000"
"""Fills start no processes: that would be most of what a small log takes."""

Points = dict[str, float]
"""What was measured, by what of and where: `reader 12/3` is that of readers of 12 partitions on 3 nodes."""


@dataclass(frozen=True, kw_only=True)
class Divided:
    """Read models of a log, in so many partitions, on nodes of their own."""

    home: Path
    database: str
    nodes: Sequence[EmbeddedRedis]
    url: str
    partitions: int = 1

    @property
    def point(self) -> str:
        return f"{self.partitions}/{len(self.nodes)}"

    @property
    def settings(self) -> dict[str, str]:
        urls = {"MUSTER_DATABASE_URL": self.database, "MUSTER_REDIS_URL": self.url}
        return {**urls, "MUSTER_PARTITIONS": str(self.partitions)}

    def cpu(self) -> float:
        return cpu_seconds(*(each.pid for each in self.nodes))

    def stored(self) -> float:
        """Return the bytes of all that the nodes keep."""
        return sum(map(_stored, self.nodes))

    @asynccontextmanager
    async def projected(self) -> AsyncIterator[int]:
        """Give the process id of a projector, once everything is served that the log holds."""
        log, limits = self.home / "project.log", {"MUSTER_LIMITS": IN_THE_PROJECTOR}
        async with measured("project", log, within=LEVEL_SECONDS, **self.settings, **limits) as (ops, pid):
            await _level(ops)
            yield pid


@dataclass(frozen=True, kw_only=True)
class DividedServers:
    """One log, and read models of it in all forms that are compared, which are filled."""

    servers: BenchServers
    generated: GeneratedLog
    divided: Sequence[Divided]


@asynccontextmanager
async def divided_servers(size: Scale) -> AsyncIterator[DividedServers]:
    _, people, _ = size.capacity_people
    with running_servers() as servers, ExitStack() as running:
        generated = servers.load(_log(people))
        divided = [running.enter_context(_divided(servers, *point)) for point in POINTS]
        for each in divided:
            async with each.projected():
                pass
        yield DividedServers(servers=servers, generated=generated, divided=divided)


async def sizes(made: DividedServers, size: Scale, _: Collection[str]) -> list[BenchResult]:
    """Of directories of three sizes: the first and the last have a database of their own."""
    fewer, people, more = size.capacity_people
    stored, log = await _sizes(made.servers, (fewer, more))
    stored |= {f"{each.point} {people}": each.stored() / people for each in made.divided}
    log[str(people)] = _bytes_of_log(made.servers, made.servers.postgres.url)
    return [
        _result("memory", "bytes of Valkey a person, by partitions/nodes and people", "bytes", stored),
        _result("log", "bytes of the log an event, its indexes included, by people", "bytes", log),
    ]


async def reads(made: DividedServers, size: Scale, _: Collection[str]) -> list[BenchResult]:
    found = await _reads(made.divided, made.generated, size)
    what = "CPU of a request, by process and partitions/nodes"
    return [_result(kind, what, "ms", points) for kind, points in found.items()]


async def rebuild(made: DividedServers, size: Scale, _: Collection[str]) -> list[BenchResult]:
    """Of profiles, from the log of the largest directory."""
    what = "CPU of an event of a rebuild of profiles, and seconds, by how many processes fold; and of one only read"
    return [_result("rebuild", what, "µs", await _rebuilt(made.servers, size.capacity_people[-1]))]


async def commands(made: DividedServers, size: Scale, _: Collection[str]) -> list[BenchResult]:
    commanded = [each for each in made.divided if each.point in COMMANDED]
    points = await _commands(commanded, made.servers.postgres.pid, size)
    return [_result("command", "CPU of a registration, by process and partitions/nodes", "ms", points)]


def _result(name: str, what: str, unit: str, points: Points) -> BenchResult:
    return BenchResult(name=f"capacity-{name}", what=what, unit=unit, value=next(iter(points.values())), details=points)


def _log(people: int) -> GeneratedLog:
    return GeneratedLog(people=people, groups=max(20, people // PEOPLE_A_GROUP), events=EVENTS_A_PERSON * people)


@contextmanager
def _divided(servers: BenchServers, partitions: int, nodes: int, *, database: str | None = None) -> Iterator[Divided]:
    """Start the nodes: one server, or a cluster."""
    home = Path(mkdtemp(prefix=f"nodes-{partitions}-{nodes}-", dir=servers.home))
    of = {"home": home, "database": database or servers.postgres.url, "partitions": partitions}
    with ExitStack() as stack:
        if nodes == 1:
            server = stack.enter_context(EmbeddedRedis(home / "valkey"))
            yield Divided(nodes=[server], url=server.url, **of)
            return
        each = [stack.enter_context(ClusterNode(home / f"node-{nth}")) for nth in range(nodes)]
        cluster = EmbeddedCluster(home, each, primaries=nodes)
        cluster.form()
        yield Divided(nodes=each, url=cluster.url, **of)


def _stored(node: EmbeddedRedis) -> float:
    with Redis.from_url(node.url) as client:
        told: Any = client.info("memory")
    return told["used_memory"] - told["used_memory_startup"]


async def _level(ops: str) -> None:
    """Return once every projection has all that the log holds, and is live."""

    async def is_level() -> bool:
        status = (await client.get("/status")).raise_for_status().json()
        return all(each["checkpoint"] == status["head"] and not each["rebuild"] for each in status["projections"])

    async with httpx.AsyncClient(base_url=ops, timeout=60, trust_env=False) as client, asyncio.timeout(LEVEL_SECONDS):
        await poll(0.3).until(lambda level: level, is_level)


async def _sizes(servers: BenchServers, sizes: Sequence[int]) -> tuple[Points, Points]:
    """Return the bytes a person and an event, of directories in databases of their own, named by their size."""
    stored, log = Points(), Points()
    for people in sizes:
        database = _database_of(servers, people)
        log[str(people)] = _bytes_of_log(servers, database)
        with _divided(servers, 1, 1, database=database) as divided:
            async with divided.projected():
                stored[f"1/1 {people}"] = divided.stored() / people
    return stored, log


def _database_of(servers: BenchServers, people: int) -> str:
    """Make a directory in a database of its own."""
    database = servers.empty_database(f"people_{people}")
    migrate(database)
    load(database, _log(people))
    return database


def _bytes_of_log(servers: BenchServers, database: str) -> float:
    sql = "select pg_total_relation_size('event_log')::float8 / count(*) from event_log"
    [(size,)] = servers.statement(sql, url=database)
    return size


async def _reads(divided: Sequence[Divided], generated: GeneratedLog, size: Scale) -> Mapping[str, Points]:
    """Milliseconds of CPU a request, by kind; all kinds at all points in turns."""
    asked = questions(generated)
    async with AsyncExitStack() as running:
        sides: dict[str, Contender] = {}
        for each in divided:
            read, pid = await running.enter_async_context(measured("read", each.home / "read.log", **each.settings))
            await require_answers(read, {}, asked, list(READS.values()))
            sides |= {f"{kind} {each.point}": _reading(each, read, pid, asked[of]) for kind, of in READS.items()}
        turns = await in_turns(sides, rounds=size.rounds, seconds=size.seconds, warm_up=size.warm_up)
    return {
        kind: {
            f"{name} {each.point}": ms
            for each in divided
            for name, ms in figures(turns.of(f"{kind} {each.point}"), what="").cpu.items()
        }
        for kind in READS
    }


def _reading(divided: Divided, url: str, pid: int, requests: Sequence[Request]) -> Contender:
    servers = {"reader": [pid], "valkey": [each.pid for each in divided.nodes]}
    what = f"read process with one worker, {divided.point} partitions and nodes, no tokens"
    return Contender(what=what, run=sending(Traffic(url=url, requests=requests)), servers=servers)


async def _rebuilt(servers: BenchServers, people: int) -> Points:
    """Microseconds of Python's CPU an event, and by the clock, by how many processes fold."""
    found, database = Points(), _database_of(servers, people)
    with _divided(servers, 1, 1, database=database) as divided:
        for processes in PROCESSES:
            limits = f"filling.processes={processes},filling.here=1,filling.each=1"
            before = divided.cpu()
            filled, rebuilt = await replays(divided, MUSTER_LIMITS=limits)
            found[f"python {processes}"] = 1e6 * rebuilt.cpu / rebuilt.events
            found[f"valkey {processes}"] = 1e6 * (divided.cpu() - before) / (rebuilt.events + filled.events)
            found[f"seconds {processes}"] = 1e6 * rebuilt.seconds / rebuilt.events
        copied = await copy_and_decode(divided)
        found["read 1"] = 1e6 * copied.cpu / copied.events
    return found


async def _commands(divided: Sequence[Divided], postgres: int, size: Scale) -> Points:
    """Milliseconds of CPU a registration, of 64 connections at a time."""
    found = Points()
    for each in divided:
        async with (
            each.projected() as projector,
            measured("write", each.home / "write.log", **each.settings) as (url, write),
        ):
            own = {"write": [write], "projector": [projector], "valkey": [node.pid for node in each.nodes]}
            side = Contender(what="registrations", run=registering(url, {}), servers={**own, "postgres": [postgres]})
            turns = await in_turns({"ours": side}, rounds=size.rounds, seconds=size.seconds, warm_up=size.warm_up)
            told = figures(turns.of("ours"), what="").cpu
        found |= {f"{name} {each.point}": ms for name, ms in told.items()}
    return found
