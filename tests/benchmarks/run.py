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
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeAlias

import msgspec
import uvloop

from tests.benchmarks.generated_log import GeneratedLog
from tests.benchmarks.load_generator import WITHOUT_WRK, has_wrk
from tests.benchmarks.plots import bars, curves
from tests.benchmarks.results import BenchResult, failed, markdown, rows, table
from tests.benchmarks.scenario import QUICK, Scale, Scenario
from tests.benchmarks.scenarios import big_group, capacity, growth, once, reactions, reads, rebuilds, soak, writes
from tests.benchmarks.servers import BenchedMuster, BenchServers, running_muster, running_servers

LONG = 3_600.0
"""Seconds."""


@asynccontextmanager
async def _directory(size: Scale) -> AsyncIterator[BenchedMuster]:
    with running_servers() as servers:
        _say(f"a directory of {size.people:,} people …")
        generated = servers.load(GeneratedLog(people=size.people, groups=size.groups, events=size.events))
        with running_muster(servers, generated) as muster:
            await muster.is_level()
            yield muster


@asynccontextmanager
async def _log(size: Scale) -> AsyncIterator[BenchServers]:
    with running_servers() as servers:
        _say(f"a log of {size.replayed:,} events …")
        servers.load(GeneratedLog(people=size.replayed_people, groups=size.groups, events=size.replayed))
        yield servers


@asynccontextmanager
async def _one_group(size: Scale) -> AsyncIterator[BenchedMuster]:
    with running_servers() as servers:
        _say(f"a group of {size.members:,} …")
        generated = servers.load(GeneratedLog(people=size.members, groups=1, events=0, everyone=True))
        with running_muster(servers, generated, within=LONG) as muster:
            await muster.is_level()
            yield muster


@asynccontextmanager
async def _nothing(_: Scale) -> AsyncIterator[None]:
    yield


# In this order: what changes the directory comes after what only looks at it.
ON_A_DIRECTORY: Sequence[Scenario] = (
    Scenario(names=["idle"], run=rebuilds.idle),
    Scenario(names=["once-bytes"], run=once.memory),
    Scenario(names=[name for name, *_ in reads.COMPARISONS], run=reads.reads, limit=900),
    Scenario(names=["visible-rebuild"], run=rebuilds.visible_rebuild, limit=600),
    Scenario(names=["visible", "visible-p99"], run=writes.visible),
    Scenario(names=["latency-orm"], run=writes.latency),
    Scenario(names=[f"register-{name}" for name in writes.OTHERS], run=writes.register, limit=400),
    Scenario(names=["import"], run=writes.importing),
    Scenario(names=["once-congress"], run=once.congress),
)
ON_A_LOG: Sequence[Scenario] = (
    Scenario(names=["rebuild-copy", "rebuild-copy-two-cores", "rebuild-naive"], run=rebuilds.rebuild, limit=600),
)
SELDOM: Sequence[Scenario] = (
    Scenario(names=growth.NAMES, run=growth.growth, limit=3 * LONG),
    Scenario(names=["soak"], run=soak.soak, limit=3 * LONG),
    Scenario(names=[reactions.NAME], run=reactions.reacting, limit=600),
    Scenario(names=["big-group-member", "big-group-name", "big-group-end"], run=big_group.big_group, limit=LONG),
)
"""They take long, or servers of their own, so they run only when they are named."""

ON_DIVIDED: Sequence[Scenario] = (
    Scenario(names=[f"capacity-{kind}" for kind in capacity.READS], run=capacity.reads, limit=900),
    Scenario(names=["capacity-memory", "capacity-log"], run=capacity.sizes, limit=900),
    Scenario(names=["capacity-rebuild"], run=capacity.rebuild, limit=900),
    Scenario(names=["capacity-command"], run=capacity.commands, limit=600),
)
"""What `muster plan` reckons with; last what brings people into the directory."""

Grounds: TypeAlias = Sequence[tuple[Callable[[Scale], AbstractAsyncContextManager[Any]], Sequence[Scenario]]]
GROUNDS: Grounds = (
    (_directory, ON_A_DIRECTORY),
    (_log, ON_A_LOG),
    (capacity.divided_servers, ON_DIVIDED),
    *zip((_nothing, _directory, _nothing, _one_group), [[each] for each in SELDOM], strict=True),
)
"""The servers that scenarios share, and the scenarios."""

PLOTS: Mapping[str, Sequence[str]] = {
    "Registrations": [f"register-{name}" for name in writes.OTHERS],
    "Import": ["import"],
    "Latency of a command": ["latency-orm"],
    "Look-ups": ["by-id-constant", "by-id-open", "by-id-valkey", "by-id-fastapi", "batch"],
    "Lists": ["page", "search", "tags", "page-fastapi", "search-fastapi", "tags-fastapi"],
    "Rebuild": ["rebuild-copy", "rebuild-copy-two-cores", "rebuild-naive"],
    "Visible during a rebuild": ["visible-rebuild"],
    "Growth": growth.NAMES,
}
"""The results that stand in one plot, by its title."""

USUAL = [name for scenario in (*ON_A_DIRECTORY, *ON_A_LOG) for name in scenario.names]
NAMES = [*USUAL, *(name for scenario in (*SELDOM, *ON_DIVIDED) for name in scenario.names)]


class BenchDocument(msgspec.Struct, frozen=True, kw_only=True):
    """What `--json` prints."""

    at: datetime
    machine: str
    load: tuple[float, float, float]
    """How many others wanted the processor, in the last 1, 5 and 15 minutes before the beginning."""
    size: Scale
    scenarios: Sequence[BenchResult]


async def measure(wanted: Collection[str], size: Scale, *, grounds: Grounds = GROUNDS) -> list[BenchResult]:
    """Run what was chosen, one after the other; one that fails, or takes too long, is said to, and the next begins."""
    results: list[BenchResult] = []
    for prepare, scenarios in grounds:
        if chosen := [each for each in scenarios if each.chosen(wanted)]:
            try:
                async with prepare(size) as ground:
                    for scenario in chosen:
                        results += await _one(scenario, ground, size, wanted)
            except Exception as error:  # noqa: BLE001 - what could not be started, or stopped, must not end the rest
                done = {each.name for each in results}
                names = [name for each in chosen for name in each.chosen(wanted) if name not in done]
                results += [failed(name, error) for name in names or ["servers"]]
                _say(f"the servers: {error!r}")
    return results


async def _one(scenario: Scenario, ground: Any, size: Scale, wanted: Collection[str]) -> Sequence[BenchResult]:
    names = scenario.chosen(wanted)
    _say(f"{', '.join(names)} …")
    try:
        async with asyncio.timeout(scenario.limit):
            results = [each for each in await scenario.run(ground, size, names) if each.name in names]
    except Exception as error:  # noqa: BLE001 - it is told as its result
        results = [failed(name, _root(error, scenario)) for name in names]
    _say(rows(results))
    return results


def _root(error: BaseException, scenario: Scenario) -> BaseException:
    """What a group of errors began with."""
    if isinstance(error, TimeoutError):
        return TimeoutError(f"not done within {scenario.limit:.0f} s")
    return _root(error.exceptions[0], scenario) if isinstance(error, BaseExceptionGroup) else error


def _plot(results: Sequence[BenchResult], folder: Path) -> None:
    """Write one plot for each scenario that compares sides, and one for what grows."""
    folder.mkdir(parents=True, exist_ok=True)
    for title, names in PLOTS.items():
        chosen = [each for each in results if each.name in names and each.ours and each.theirs]
        if chosen:
            name = title.lower().replace(" ", "-")
            draw = curves if names == growth.NAMES else bars
            (folder / f"{name}.svg").write_text(draw(title, chosen))


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
    usual = f"of results, or what several begin with, such as growth; up to {USUAL[-1]} if none is named"
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"{usual}: {', '.join(NAMES)}")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print one JSON document instead of a table")
    form.add_argument("--markdown", action="store_true", help="print a table for docs/performance.md")
    parser.add_argument("--congress", metavar="FILE", help="of commands, for once-congress; left out without it")
    parser.add_argument("--plots", type=Path, metavar="FOLDER", help="write a plot of each scenario there, as SVG")
    parser.add_argument("--quick", action="store_true", help="see that all of it works; the figures mean nothing")
    for option, what in (
        ("rounds", "how often each side has its turn"),
        ("people", "of the directory that is read"),
        ("events", "in its log"),
        ("members", "of the big group"),
        ("replayed", "events of the log that is rebuilt from"),
        ("replayed-people", "people of that log"),
    ):
        parser.add_argument(f"--{option}", type=int, help=what)
    parser.add_argument("--sizes", type=int, nargs="+", help="people of the directories by which growth is seen")
    parser.add_argument("--seconds", type=float, help="of one turn")
    parser.add_argument("--soak-minutes", type=float, help="of the soak")
    parser.add_argument("--soak-rate", type=float, help="commands a second in the soak")
    asked = parser.parse_args()
    meant = {asked_for: _meant(asked_for) for asked_for in asked.names}
    if unknown := [asked_for for asked_for, names in meant.items() if not names]:
        parser.error(f"there is no {', '.join(unknown)}: choose from {', '.join(NAMES)}")
    asked.names = list(dict.fromkeys(name for names in meant.values() for name in names))
    if "once-congress" in asked.names and not asked.congress:
        parser.error("once-congress needs a file: name it with --congress")
    asked.names = asked.names or [name for name in USUAL if asked.congress or name != "once-congress"]
    return asked


def _meant(asked_for: str) -> list[str]:
    """Return the name, or those that begin with it: `growth` are all of growth, `page` is not `page-fastapi`."""
    return [asked_for] if asked_for in NAMES else [name for name in NAMES if name.startswith(f"{asked_for}-")]


def _size(asked: argparse.Namespace) -> Scale:
    given = {name: getattr(asked, name) for name in msgspec.structs.asdict(Scale()) if hasattr(asked, name)}
    size = QUICK if asked.quick else Scale()
    return msgspec.structs.replace(size, **{name: number for name, number in given.items() if number is not None})


def main() -> None:
    asked = _arguments()
    if not has_wrk():
        _say(WITHOUT_WRK)
    size, load, at = _size(asked), os.getloadavg(), datetime.now(UTC)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        results = runner.run(measure(asked.names, size))
    if asked.plots:
        _plot(results, asked.plots)
    if asked.json:
        document = BenchDocument(at=at, machine=_machine(), load=load, size=size, scenarios=results)
        sys.stdout.buffer.write(msgspec.json.format(msgspec.json.encode(document)) + b"\n")
    else:
        print(markdown(results) if asked.markdown else table(results))
    sys.exit(int(any(each.error for each in results)))


if __name__ == "__main__":
    main()
