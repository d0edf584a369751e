"""
The tables of docs/operations/capacity.md, made of what was measured and of what the model says.

    python -m tests.benchmarks.capacity_tables [FILE]

writes them anew; with the output of `./muster bench capacity --json` it keeps that for `muster plan` first.
"""

import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from math import isclose
from pathlib import Path

import msgspec

from shared.capacity.costs import Cost
from shared.capacity.lines import lines
from shared.capacity.measurements import KEPT, Measurements, measurements
from shared.capacity.model import READS, Load, model_of, planned
from shared.cli.plan import shown
from shared.wording import counted

PAGE = Path(__file__).parents[2] / "docs/operations/capacity.md"
MADE_OF = ("1/1", "12/1", "48/1", "12/3")
"""The points that a cost goes through: what is said of them is no prediction."""

SIZES = (10_000, 100_000, 1_000_000, 10_000_000, 100_000_000)
SECONDS_A_DAY = 86_400
PEAK = 5
"""How many times as much is asked for in the busiest second as on average."""


def tables() -> Mapping[str, str]:
    """Return each table by its name on the page."""
    measured = measurements()
    return {"predictions": _table(_predictions(measured)), "simulation": _table(_simulation(measured))}


def replaced(page: str) -> str:
    """Return a page with its tables as they are now."""
    for name, table in tables().items():
        page = re.sub(rf"(<!-- {name} -->\n).*?(\n<!-- end -->)", rf"\g<1>{table}\g<2>", page, flags=re.DOTALL)
    return page


def _predictions(measured: Measurements) -> Iterator[Sequence[str]]:
    yield ("what", "of", "partitions/nodes", "measured", "predicted", "off by")
    for name, of in product(READS, ("reader", "valkey")):
        points = measured.points(name)
        cost = Cost.fitted(points, of)
        for where in [key.partition(" ")[2] for key in points if key.startswith(f"{of} ")]:
            found, said = points[f"{of} {where}"], cost.at(*map(int, where.split("/")))
            yield (name, of, where, shown(found), shown(said), _off(said, found, where=where))
    yield from _constant(measured)


def _constant(measured: Measurements) -> Iterator[Sequence[str]]:
    """What the model holds to be the same everywhere."""
    model = model_of(measured)
    for where, found in measured.points("memory").items():
        yield (
            "memory, bytes",
            "a person",
            f"{where} people",
            shown(found),
            shown(model.memory),
            _off(model.memory, found),
        )
    for where, found in measured.points("log").items():
        yield ("log, bytes", "an event", f"{where} people", shown(found), shown(model.log), _off(model.log, found))
    rebuild = measured.points("rebuild")
    for key, found in rebuild.items():
        of, processes = key.split()
        if of in {"python", "valkey"} and processes != "1":
            said = rebuild[f"{of} 1"]
            yield (
                "rebuild of profiles",
                of,
                counted(int(processes), "process", "processes"),
                *map(shown, (found, said)),
                _off(said, found),
            )


def _off(said: float, found: float, *, where: str = "") -> str:
    is_no_prediction = where in MADE_OF and isclose(said, found)
    return "made of it" if is_no_prediction else f"{said / found - 1:+.0%}"


def _simulation(measured: Measurements) -> Iterator[Sequence[str]]:
    model = model_of(measured)
    names: tuple[str, ...] = ()
    for people in SIZES:
        load = Load(
            people=people,
            commands=people * PEAK / SECONDS_A_DAY,
            reads=10 * people * PEAK / SECONDS_A_DAY,
            shares={"batch": 0.05, "page": 0.03, "search": 0.02},
        )
        found = lines(planned(load, model))
        if not names:
            names = tuple(
                each.name if each.unit in {each.name, "processes"} else f"{each.name}, {each.unit}"
                for each in found[:9]
            )
            yield ("people", "commands/s", "reads/s", *names, "rebuild by one, h", "by as many as partitions, h")
        rebuilds = [shown(each.value) for each in found[9:]]
        yield (
            f"{people:,}",
            shown(load.commands),
            shown(load.reads),
            *(shown(each.value) for each in found[:9]),
            rebuilds[0],
            rebuilds[-1],
        )


def _table(rows: Iterator[Sequence[str]]) -> str:
    head, *others = rows
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *others))


if __name__ == "__main__":
    for file in map(Path, sys.argv[1:]):
        KEPT.write_bytes(msgspec.json.format(msgspec.json.encode(measurements(file))) + b"\n")
    PAGE.write_text(replaced(PAGE.read_text()))
