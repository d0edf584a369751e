"""What grows with the number of people: the same is asked of directories of several sizes, in turns."""

import time
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import httpx
import msgspec

from tests.benchmarks.generated_log import GeneratedLog
from tests.benchmarks.load_generator import Request
from tests.benchmarks.processes import cpu_seconds
from tests.benchmarks.results import BenchResult, TurnSample, compared
from tests.benchmarks.scenario import Scale
from tests.benchmarks.scenarios.reads import listing, questions, reading, require_answers
from tests.benchmarks.scenarios.writes import OURS, registering
from tests.benchmarks.servers import BenchedMuster, running_muster, running_servers
from tests.benchmarks.sides import Contender, in_turns

READS = ("by-id", "page", "deep-page", "search", "tags")
KINDS = (*READS, "command", "event", "rebuild")
NAMES = [f"growth-{kind}" for kind in KINDS]
EVENTS_A_PERSON, PEOPLE_A_GROUP = 4, 200
BYTES_A_PERSON = 16_000
"""
At most: the history that is generated 2,000; Valkey 6,000, and as much again for a second generation of `profiles`, or
while it writes its log anew. What PostgreSQL stores may leave memory.
"""

FILL_SECONDS = 3_600.0
MOST_A_PAGE = 200
DEEP = 4
"""The deep page begins behind one person in so many."""


async def growth(_: None, size: Scale, wanted: Collection[str]) -> list[BenchResult]:
    """Compare the largest directory with the smallest; what each size costs stands beside it."""
    directories: dict[int, BenchedMuster] = {}
    left_out: dict[str, str] = {}
    async with AsyncExitStack() as running:
        for people in sorted(size.sizes):
            try:
                directories[people] = await running.enter_async_context(_directory(people))
            except (MemoryError, TimeoutError) as error:
                left_out[f"{people:,} people left out"] = f"{error}" or "not filled in time"
        samples = await _reads_and_commands(directories, size)
        for people, muster in directories.items():
            samples[people]["rebuild"] = [await _rebuild(muster)]
    kinds = [kind for kind in KINDS if f"growth-{kind}" in wanted]
    return [_of_kind(kind, {people: each[kind] for people, each in samples.items()}, left_out) for kind in kinds]


def _of_kind(kind: str, samples: Mapping[int, Sequence[TurnSample]], left_out: Mapping[str, str]) -> BenchResult:
    few, many = min(samples), max(samples)
    what = f"the rate of {kind} among {many:,} people, of that among {few:,}"
    result = compared(f"growth-{kind}", what, (f"{many:,} people", samples[many]), (f"{few:,} people", samples[few]))
    by_people = {people: _cpu(each) for people, each in samples.items()}
    return msgspec.structs.replace(result, by_people=by_people, details=left_out)


def _cpu(samples: Sequence[TurnSample]) -> float:
    """Milliseconds of an operation, the median of the turns."""
    used = sorted(sum(ms for name, ms in each.cpu.items() if not name.startswith("(")) for each in samples)
    return used[len(used) // 2]


async def _reads_and_commands(
    directories: Mapping[int, BenchedMuster], size: Scale
) -> dict[int, dict[str, Sequence[TurnSample]]]:
    """All kinds at all sizes in turns: first reads, then commands, whose events cost the projector something."""
    reads = {
        f"{kind} {people}": reading(muster, kind, requests)
        for people, muster in directories.items()
        for kind, requests in (await _asked(muster)).items()
    }
    commands = {f"command {people}": _commanding(muster) for people, muster in directories.items()}
    read = await in_turns(reads, rounds=size.rounds, seconds=size.seconds, warm_up=size.warm_up)
    done = await in_turns(commands, rounds=size.rounds, seconds=size.seconds, warm_up=size.warm_up)
    found: dict[int, dict[str, Sequence[TurnSample]]] = {
        people: {kind: read.of(f"{kind} {people}") for kind in READS} | {"command": done.of(f"command {people}")}
        for people in directories
    }
    return {people: {**each, "event": [_of_event(one) for one in each["command"]]} for people, each in found.items()}


async def _asked(muster: BenchedMuster) -> Mapping[str, Sequence[Request]]:
    own = {"search": _of_many(muster.generated), "deep-page": [await _deep_page(muster)]}
    asked = {**questions(muster.generated), **own}
    await require_answers(muster.stack.addresses.read, muster.stack.headers, asked, READS)
    return {kind: asked[kind] for kind in READS}


def _of_many(generated: GeneratedLog) -> Sequence[Request]:
    """Searches for words that many have: each finds a full page, however few people there are."""
    tags = {tag for each in generated.accounts for tag in each.profile["tags"]}
    return [listing(q=each) for each in sorted(tags) if each.isalpha()]


async def _deep_page(muster: BenchedMuster) -> Request:
    """The page of 50 that begins behind a part of all people."""
    left, cursor = muster.generated.people // DEEP, httpx.QueryParams()
    async with muster.stack.client(muster.stack.addresses.read) as client:
        while left > 0:
            limit = min(MOST_A_PAGE, left)
            answer = await client.get("/profiles", params=cursor.set("limit", limit))
            cursor = httpx.QueryParams(cursor=answer.raise_for_status().json()["next_cursor"])
            left -= limit
    return Request(f"/profiles?{cursor}")


def _commanding(muster: BenchedMuster) -> Contender:
    servers = muster.pids("write", "postgres", "(projector)", "(valkey)")
    return Contender(what=OURS, run=registering(muster.stack.addresses.write, muster.stack.headers), servers=servers)


def _of_event(command: TurnSample) -> TurnSample:
    """What the two events of a registration cost, one of them, in all projections."""
    cpu = {name.strip("()"): ms / 2 for name, ms in command.cpu.items() if name.startswith("(")}
    return TurnSample(rate=2 * command.rate, cpu=cpu)


async def _rebuild(muster: BenchedMuster) -> TurnSample:
    """Of profiles, by the projector that goes on projecting."""
    servers = muster.pids("projector", "valkey", "postgres")
    before, began = {name: cpu_seconds(*pids) for name, pids in servers.items()}, time.perf_counter()
    async with muster.stack.client(muster.stack.addresses.ops) as ops:
        order = {"by": "a benchmark", "keep_old": 0}
        (await ops.post("/projections/profiles/rebuild", json=order)).raise_for_status()
    await muster.is_level(within=FILL_SECONDS)
    took, events = time.perf_counter() - began, await _events(muster)
    cpu = {name: 1e3 * (cpu_seconds(*pids) - before[name]) / events for name, pids in servers.items()}
    return TurnSample(rate=events / took, cpu=cpu)


async def _events(muster: BenchedMuster) -> int:
    [profiles] = [each for each in (await muster.stack.status())["projections"] if each["name"] == "profiles"]
    return next(each["events"] for each in profiles["generations"] if each["role"] == "live")


@asynccontextmanager
async def _directory(people: int) -> AsyncIterator[BenchedMuster]:
    """:raises MemoryError: there is too little for so many people."""
    if (free := _bytes_free()) < people * BYTES_A_PERSON:
        raise MemoryError(f"{free >> 20:,} MiB are free, and {people * BYTES_A_PERSON >> 20:,} may be needed")
    groups = max(20, people // PEOPLE_A_GROUP)
    generated = GeneratedLog(people=people, groups=groups, events=EVENTS_A_PERSON * people)
    with running_servers() as servers:
        servers.load(generated)
        with running_muster(servers, generated, within=FILL_SECONDS) as muster:
            await muster.is_level()
            yield muster


def _bytes_free() -> int:
    lines = Path("/proc/meminfo").read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith("MemAvailable"))
