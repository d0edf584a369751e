"""`muster plan`: how much a directory of so many people takes."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, TypeAlias

from cyclopts import Parameter, validators

from shared.capacity.lines import UNKNOWN, PlanLine, lines
from shared.capacity.measurements import KEPT, Measurements, MeasurementsUnusable, measurements
from shared.capacity.model import GIB, BeyondPlanning, Load, model_of, planned
from shared.cli.exit_codes import CommandFailed, WrongUsage
from shared.cli.options import Json
from shared.cli.output import print_encoded, print_line, print_table

Rate: TypeAlias = Annotated[float, Parameter(validator=validators.Number(gte=0, lte=1e9))]
Percent: TypeAlias = Annotated[float, Parameter(validator=validators.Number(gte=0, lte=100))]

ALL_DIGITS = 100


def plan(
    *,
    people: Annotated[int, Parameter(validator=validators.Number(gte=1, lte=10**10))],
    commands_per_second: Rate,
    reads_per_second: Rate = 0.0,
    batches: Percent = 5.0,
    pages: Percent = 3.0,
    searches: Percent = 2.0,
    events_per_person: Annotated[float, Parameter(validator=validators.Number(gt=0, lte=1e6))] = 10.0,
    replicas: Annotated[int, Parameter(validator=validators.Number(gte=0, lte=5))] = 1,
    node_memory: Annotated[float, Parameter(validator=validators.Number(gt=0, lte=1e6))] = 32.0,
    measured: Path | None = None,
    json: Json = False,
) -> None:
    """
    Say what so many people take: nodes, memory, processes, disk and the time of a rebuild, and what decides each.

    By what was measured on one machine, which the last lines name. It asks nothing that runs here.

    :param people: in the directory.
    :param commands_per_second: at the busiest time.
    :param reads_per_second: at the busiest time; look-ups, but for what the next three say.
    :param batches: percent of the reads that ask for 100 people at once.
    :param pages: percent of the reads that are pages of a list, of 50 people.
    :param searches: percent of the reads that search for a word.
    :param events_per_person: that the log has in the end.
    :param replicas: of each primary.
    :param node_memory: GiB that Valkey may use on a node.
    :param measured: the output of `./muster bench capacity --json` on your machine, instead of ours.
    """
    shares = {"batch": batches / 100, "page": pages / 100, "search": searches / 100}
    if sum(shares.values()) > 1:
        raise WrongUsage("--batches, --pages and --searches are percents of all reads: together 100 at most")
    load = Load(
        people=people,
        commands=commands_per_second,
        reads=reads_per_second,
        shares=shares,
        events=events_per_person,
        replicas=replicas,
        node_memory=node_memory * GIB,
    )
    given, found = _planned(load, measured)
    if json:
        print_encoded({"load": load, "lines": found, "measured": given.source, "unknown": UNKNOWN})
        return
    print_table(("", "", "", "arithmetic", "limited by"), map(_row, found))
    print_line("\n".join((f"Measured by {given.source}.", "Not known:", *(f"  {each}" for each in UNKNOWN))))


def _planned(load: Load, measured: Path | None) -> tuple[Measurements, Sequence[PlanLine]]:
    """
    :raises WrongUsage: the file cannot be used.
    :raises CommandFailed: there are not so many nodes.
    """
    try:
        given = measurements(measured or KEPT)
        return given, lines(planned(load, model_of(given)))
    except MeasurementsUnusable as error:
        raise WrongUsage(f"--measured {measured}: {error}") from error
    except BeyondPlanning as error:
        raise CommandFailed(str(error)) from error


def _row(line: PlanLine) -> tuple[str, ...]:
    return (line.name, shown(line.value), line.unit, line.arithmetic, line.limit)


def shown(number: float) -> str:
    """Write a number with three digits that count, and all of those before the point."""
    return f"{number:,.0f}" if number >= ALL_DIGITS or number == int(number) else f"{number:.3g}"
