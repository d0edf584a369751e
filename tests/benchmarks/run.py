"""
Measure Muster beside what users would pick instead, on real servers that are started for it.

    ./muster bench [NAME…] [--json] [--quick]

Sides that are compared take turns in one run, after a warm-up; a result is the median of the single ratios. Beside
rates stands the CPU that the servers took for an operation: on a machine that others use too, trust that.
"""

import argparse
import asyncio
import os
import platform
import sys
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import uvloop

from tests.benchmarks.generated_log import GeneratedLog
from tests.benchmarks.load_generator import WITHOUT_WRK, has_wrk
from tests.benchmarks.results import BenchResult, failed, rows, table
from tests.benchmarks.scenario import QUICK, Scale, Scenario
from tests.benchmarks.scenarios import reads, rebuilds, writes
from tests.benchmarks.servers import BenchedMuster, running_muster, running_servers

# In this order: what changes the directory comes after what only looks at it.
ON_A_DIRECTORY: Sequence[Scenario] = (
    Scenario(names=["idle"], run=rebuilds.idle),
    Scenario(names=[name for name, *_ in reads.COMPARISONS], run=reads.reads, limit=420),
    Scenario(names=["visible-rebuild"], run=rebuilds.visible_rebuild, limit=300),
    Scenario(names=["visible", "visible-p99"], run=writes.visible),
    Scenario(names=["latency-orm"], run=writes.latency),
    Scenario(names=["register-pipeline", "register-orm", "register-eventsourcing"], run=writes.register, limit=240),
    Scenario(names=["import"], run=writes.importing),
)
ON_A_LOG: Sequence[Scenario] = (
    Scenario(names=["rebuild-copy", "rebuild-copy-two-cores", "rebuild-naive"], run=rebuilds.rebuild, limit=600),
)
NAMES = [name for scenario in (*ON_A_DIRECTORY, *ON_A_LOG) for name in scenario.names]


class BenchDocument(msgspec.Struct, frozen=True, kw_only=True):
    """What `--json` prints."""

    at: datetime
    machine: str
    load: tuple[float, float, float]
    """How many others wanted the processor, in the last 1, 5 and 15 minutes before the beginning."""
    size: Scale
    results: Sequence[BenchResult]


async def measure(wanted: Collection[str], size: Scale) -> list[BenchResult]:
    """Run what was chosen, one after the other; one that fails, or takes too long, is said to, and the next begins."""
    on_directory = [each for each in ON_A_DIRECTORY if each.chosen(wanted)]
    on_log = [each for each in ON_A_LOG if each.chosen(wanted)]
    results: list[BenchResult] = []
    if on_directory:
        results += await _all(on_directory, wanted, size, _directory(size))
    if on_log:
        results += await _all(on_log, wanted, size, _log(size))
    return results


async def _all(scenarios: Sequence[Scenario], wanted: Collection[str], size: Scale, servers: Any) -> list[BenchResult]:
    results: list[BenchResult] = []
    try:
        async with servers as given:
            for scenario in scenarios:
                results += await _one(scenario, wanted or scenario.names, size, given)
    except Exception as error:  # noqa: BLE001 - what could not be started, or not be stopped, must not end the rest
        done = {each.name for each in results}
        missing = [name for each in scenarios for name in each.names if name not in done and name in (wanted or NAMES)]
        _say(f"the servers: {error!r}")
        results += [failed(name, error) for name in missing or ["servers"]]
    return results


async def _one(scenario: Scenario, wanted: Collection[str], size: Scale, given: Sequence[Any]) -> list[BenchResult]:
    names = [name for name in scenario.names if name in wanted]
    _say(f"{', '.join(names)} …")
    arguments = given if scenario.run is reads.reads else given[:1]
    try:
        async with asyncio.timeout(scenario.limit):
            results = [each for each in await scenario.run(*arguments, size, wanted) if each.name in wanted]
    except Exception as error:  # noqa: BLE001 - it is told as its result
        results = [failed(name, _root(error, scenario)) for name in names]
    _say(rows(results))
    return results


def _root(error: BaseException, scenario: Scenario) -> BaseException:
    """What a group of errors began with."""
    if isinstance(error, TimeoutError):
        return TimeoutError(f"not done within {scenario.limit:.0f} s")
    return _root(error.exceptions[0], scenario) if isinstance(error, BaseExceptionGroup) else error


@asynccontextmanager
async def _directory(size: Scale) -> AsyncIterator[tuple[BenchedMuster, GeneratedLog]]:
    with running_servers() as servers:
        _say(f"a directory of {size.people:,} people …")
        generated = servers.load(GeneratedLog(people=size.people, groups=size.groups, events=size.events))
        with running_muster(servers) as muster:
            await muster.is_level()
            yield muster, generated


@asynccontextmanager
async def _log(size: Scale) -> AsyncIterator[tuple[Any, ...]]:
    with running_servers() as servers:
        _say(f"a log of {size.replayed:,} events …")
        servers.load(GeneratedLog(people=size.replayed_people, groups=size.groups, events=size.replayed))
        yield (servers,)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _machine() -> str:
    about = Path("/proc/cpuinfo")
    lines = about.read_text().splitlines() if about.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{os.cpu_count()} cores ({models[0] if models else platform.machine()}), Python {platform.python_version()}"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="muster bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"of results; all if none is named: {', '.join(NAMES)}"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON document instead of a table")
    parser.add_argument("--quick", action="store_true", help="see that all of it works; the figures mean nothing")
    for option, what in (
        ("rounds", "how often each side has its turn"),
        ("people", "of the directory that is read"),
        ("replayed", "events of the log that is rebuilt from"),
        ("replayed-people", "people of that log"),
    ):
        parser.add_argument(f"--{option}", type=int, help=what)
    parser.add_argument("--seconds", type=float, help="of one turn")
    asked = parser.parse_args()
    if unknown := [name for name in asked.names if name not in NAMES]:
        parser.error(f"there is no {', '.join(unknown)}: choose from {', '.join(NAMES)}")
    return asked


def _size(asked: argparse.Namespace) -> Scale:
    given = {name: getattr(asked, name) for name in ("rounds", "seconds", "people", "replayed", "replayed_people")}
    size = QUICK if asked.quick else Scale()
    return msgspec.structs.replace(size, **{name: number for name, number in given.items() if number is not None})


def main() -> None:
    asked = _arguments()
    if not has_wrk():
        _say(WITHOUT_WRK)
    size, load, at = _size(asked), os.getloadavg(), datetime.now(UTC)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        results = runner.run(measure(asked.names, size))
    if asked.json:
        document = BenchDocument(at=at, machine=_machine(), load=load, size=size, results=results)
        sys.stdout.buffer.write(msgspec.json.format(msgspec.json.encode(document)) + b"\n")
    else:
        print(table(results))
    sys.exit(int(any(each.error for each in results)))


if __name__ == "__main__":
    main()
