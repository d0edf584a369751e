"""`muster status`: how far each projection is."""

from collections.abc import Iterator, Sequence
from itertools import chain

import msgspec
from rich.filesize import decimal

from projector.monitoring.answers import GenerationStatus, PartStatus, ProjectionStatus, Status
from shared.cli.api_client import PROJECTOR, ask
from shared.cli.options import Json
from shared.cli.output import console, print_json, print_line, print_table
from shared.text import printable
from shared.wording import counted


def status(*, parts: bool = False, json: Json = False) -> None:
    """
    Show how far each projection is.

    :param parts: show each part of it too, where there are several partitions.
    """
    answer = ask(PROJECTOR, "/status")
    if json:
        print_json(answer)
    else:
        _show(msgspec.json.decode(answer, type=Status), parts=parts)


def _show(status: Status, *, parts: bool = False) -> None:
    columns = ("projection", "state", "checkpoint", "behind", "age", "events/s", "parked", "size")
    rows = [row for each in status.projections for row in (each, *(each.parts if parts else ()))]
    print_table(columns, map(_cells, rows))
    print_line(f"head of the log: {_or_unknown(status.head)}")
    for projector in status.projectors:
        print_line(f"projector {projector.id}: {projector.role}, since {projector.since}")
    for line in chain(status.division, _worst(status), map(printable, chain.from_iterable(map(_beside, rows)))):
        print_line(line)
    for line in _standstills(status):
        console().print(printable(line), style="red", soft_wrap=True)


def _worst(status: Status) -> Iterator[str]:
    """Say of each projection that is behind which of its parts is so most."""
    for each in status.projections:
        if each.worst and each.lag_events:
            yield f"{each.name}: {each.worst} is the furthest behind of {len(each.parts)} parts"


def _cells(each: PartStatus) -> list[str]:
    age = None if each.lag_seconds is None else f"{each.lag_seconds:.1f} s"
    known = [_or_unknown(value) for value in (each.checkpoint, each.lag_events, age)]
    counted = [str(each.events_per_second), str(each.parked)]
    size = _size([generation.bytes for generation in each.generations])
    of = f", {len(each.parts)} parts" if isinstance(each, ProjectionStatus) and each.parts else ""
    return [f"{each.name} v{each.version}{of}", each.state, *known, *counted, size]


def _size(parts: Sequence[int | None]) -> str:
    known = [part for part in parts if part is not None]
    return decimal(sum(known)) if len(known) == len(parts) else "?"


def _beside(each: PartStatus) -> Iterator[str]:
    """Return lines on the generations of a projection, and what becomes of them."""
    yield from (_generation(each.name, generation) for generation in each.generations)
    if rebuild := each.rebuild:
        at = "the last part at" if isinstance(each, ProjectionStatus) and each.parts else "at"
        where = f"{_called(rebuild.phase, rebuild.generation)}, {at} {rebuild.position:,} of {rebuild.target:,}"
        yield f"{each.name}: {where} ({rebuild.done:.0%}), ordered by {rebuild.by} at {rebuild.since:%H:%M:%S}"
        if rebuild.held:
            yield f"{each.name}: held: {rebuild.held}"
        if rebuild.waits_for:
            yield f"{each.name}: waits until it can go live together with {', '.join(rebuild.waits_for)}"


def _generation(projection: str, generation: GenerationStatus) -> str:
    held = f"{counted(generation.documents, 'document')}, {_size([generation.bytes])}"
    kept = f", kept until {generation.kept_until:%H:%M:%S}" if generation.kept_until else ""
    name = f"{_called(generation.role, generation.name)} (version {generation.version})"
    return f"{projection}: {name}, at {generation.checkpoint}, {held}{kept}"


def _called(what: str, generation: str) -> str:
    """Say what a generation is; those of several parts have no common name."""
    return f"{what} {generation}".rstrip()


def _standstills(status: Status) -> list[str]:
    errors = [f"{each.name} {each.state}: {each.error}" for each in status.projections if each.error]
    held = [f"the event log is {status.held_by.text}"] if status.held_by else []
    read_probe = [f"the read probe was not answered: {status.read_probe}"] if status.read_probe else []
    parked = [
        f"{each.name}: {counted(each.parked, 'document is', 'documents are')} parked, see `muster parked list`"
        for each in status.projections
        if each.parked
    ]
    return [*errors, *parked, *held, *read_probe, *([status.error] if status.error else [])]


def _or_unknown(value: object) -> str:
    return "?" if value is None else str(value)
