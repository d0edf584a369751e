"""The projector: rebuilding from a long log, what that costs others, and what it takes while nothing happens."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from typing import Protocol

import msgspec

from shared.runtime.exit_with_parent import ending_with_parent
from tests.benchmarks.baselines_venv import BASELINES, python_of_baselines
from tests.benchmarks.processes import cpu_seconds
from tests.benchmarks.results import BenchResult, TurnSample, compared, judged
from tests.benchmarks.scenario import Scale
from tests.benchmarks.scenarios.writes import Lags
from tests.benchmarks.servers import BenchedMuster, BenchServers
from tests.support.locked_venv import ROOT
from tests.support.stack import environment


class HasSettings(Protocol):
    """Servers that processes of ours find by variables."""

    @property
    def settings(self) -> dict[str, str]: ...


class Replay(msgspec.Struct, frozen=True):
    """Events, and seconds and seconds of CPU of Python that they took."""

    events: int
    seconds: float
    cpu: float
    phase: str = ""

    def sample(self, **others: float) -> TurnSample:
        cpu = {
            "python": 1e3 * self.cpu / self.events,
            **{name: 1e3 * each / self.events for name, each in others.items()},
        }
        return TurnSample(rate=self.events / self.seconds, cpu=cpu)

    def on_one_core(self) -> TurnSample:
        """As if Python had a core of its own, and no more than that."""
        return TurnSample(rate=self.events / self.cpu, cpu={"python": 1e3 * self.cpu / self.events})


async def rebuild(servers: BenchServers, size: Scale, wanted: Collection[str]) -> list[BenchResult]:
    """
    Rebuild `profiles` from a log of its own, after a first fill.

    COPY and decode before it and after it: the machine may have others to serve meanwhile.
    """
    copied = [await copy_and_decode(servers)]
    naive = [await project_naively(servers, size)] if "rebuild-naive" in wanted else []
    filled, rebuilt = await replays(servers)
    copied.append(await copy_and_decode(servers))
    if naive:
        naive.append(await project_naively(servers, size))
    return list(_judged(filled, rebuilt, copied, naive))


def _judged(filled: Replay, rebuilt: Replay, copied: Sequence[Replay], naive: Sequence[Replay]):
    ours = (
        f"rebuild of profiles with all indexes, {rebuilt.events:,} events; the first fill took {filled.seconds:.1f} s"
    )
    theirs = "COPY of nine columns and decode, nothing else, before and after"
    one = ([each.on_one_core() for each in copied], rebuilt.on_one_core())
    two = ([each.sample() for each in copied], rebuilt.sample())
    details = {"first fill µs of Python": 1e6 * filled.cpu / filled.events, "rebuild s": rebuilt.seconds}
    for name, what, (baseline, mine) in (
        ("rebuild-copy", "events by second of Python's CPU: one core", one),
        ("rebuild-copy-two-cores", "events a second, as many processes as it likes", two),
    ):
        result = compared(name, what, (ours, [mine] * len(baseline)), (theirs, baseline))
        yield msgspec.structs.replace(result, details=details)
    if naive:
        said = f"rows by the ORM, one MULTI an event, {naive[0].events:,} events"
        sides = (ours, [rebuilt.sample()] * len(naive)), (said, [each.sample() for each in naive])
        yield compared("rebuild-naive", "events a second", *sides)


async def replays(servers: HasSettings, **variables: str) -> tuple[Replay, Replay]:
    """Fill `profiles`, then rebuild it, by a projector that has no other projection."""
    command = [sys.executable, "-m", "tests.benchmarks.one_projection", "profiles"]
    output = await _run(command, environment(**servers.settings, **variables))
    filled, rebuilt = (msgspec.json.decode(line, type=Replay) for line in output.splitlines() if line.startswith(b"{"))
    return filled, rebuilt


async def copy_and_decode(servers: HasSettings) -> Replay:
    command = [sys.executable, "-m", "tests.benchmarks.baselines.copy_decode"]
    return msgspec.json.decode(await _run(command, environment(**servers.settings)), type=Replay)


async def project_naively(servers: BenchServers, size: Scale) -> Replay:
    """In the database 1 of the Valkey, emptied first."""
    command = [str(python_of_baselines()), str(BASELINES / "naive_projector.py"), str(size.naive)]
    redis = servers.valkey.url.removesuffix("/0") + "/1"
    variables = {"DATABASE_URL": servers.postgres.url, "REDIS_URL": redis, "PATH": "/usr/bin:/bin"}
    return msgspec.json.decode(await _run(command, variables), type=Replay)


async def _run(command: Sequence[str], variables: dict[str, str]) -> bytes:
    """Return what a program prints. It is killed if it is not waited for any more."""
    process = await asyncio.create_subprocess_exec(
        *ending_with_parent(command),
        env=variables,
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        output, errors = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        last = errors.decode(errors="replace").strip().splitlines()[-1:]
        raise RuntimeError(f"{command[-1]} ended with {process.returncode}: {last}")
    return output


async def visible_rebuild(muster: BenchedMuster, size: Scale, _: Collection[str]) -> list[BenchResult]:
    """Registrations at a tenth of the rate of `visible`, in turns without a rebuild and during one after the other."""
    lags = Lags(muster, rate=size.visible_rate / 5)
    await lags.measured(seconds=size.warm_up)
    without, during = list[TurnSample](), list[TurnSample]()
    for _ in range(size.rounds):
        without.append(await lags.measured(seconds=2 * size.seconds))
        async with _rebuilding(muster):
            during.append(await lags.measured(seconds=2 * size.seconds))
    what = f"p99 until a registration is seen, at {size.visible_rate / 5:.0f} a second, during rebuilds of profiles"
    sides = (("during rebuilds", during), ("without", without))
    return [compared("visible-rebuild", what, *sides, unit="ms", of=lambda sample: sample.p99)]


@asynccontextmanager
async def _rebuilding(muster: BenchedMuster) -> AsyncIterator[None]:
    """Rebuild again and again; the last rebuild is waited for."""
    ended = asyncio.Event()

    async def rebuild() -> None:
        async with muster.stack.client(muster.stack.addresses.ops) as ops:
            while not ended.is_set():
                order = {"by": "a benchmark", "keep_old": 0}
                (await ops.post("/projections/profiles/rebuild", json=order)).raise_for_status()
                await muster.is_level()

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(rebuild())
        yield
        ended.set()


async def idle(muster: BenchedMuster, size: Scale, _: Collection[str]) -> list[BenchResult]:
    """What the projector takes while nothing happens."""
    await muster.is_level()
    await asyncio.sleep(min(5.0, size.at_rest))  # it looks around more seldom, the longer nothing happens
    [pids] = muster.pids("projector").values()
    used, asked = cpu_seconds(*pids), _commands(muster)
    began = time.perf_counter()
    await asyncio.sleep(size.at_rest)
    took = time.perf_counter() - began
    percent = 100 * (cpu_seconds(*pids) - used) / took
    details = {"commands a second to Valkey, of all processes": (_commands(muster) - asked) / took}
    what = f"CPU of the projector at rest, of one core, over {took:.0f} s"
    return [judged(BenchResult(name="idle", what=what, unit="% of a core", value=percent, details=details))]


def _commands(muster: BenchedMuster) -> int:
    with muster.stack.redis() as client:
        return client.info("stats")["total_commands_processed"]
