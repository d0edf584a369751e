"""The projector's commands."""

import os
import sys
from collections.abc import Iterator

import httpx
import msgspec
from rich.console import Console
from rich.table import Table

from projector.status import ProjectionStatus, Status
from shared.http.serving import serve
from shared.settings import Settings

ANSWER_SECONDS = 10.0


def project(*, host: str | None = None, port: int | None = None, workers: int = 1) -> None:
    """
    Project events into Redis and serve the ops API until SIGTERM or SIGINT.

    :param workers: 1; a projector is one process. Start another one for a standby.
    """
    if workers != 1:
        sys.exit("a projector is one process: leave --workers out, and start another one for a standby")
    settings = Settings.load(os.environ).with_addresses()
    settings.required("database_url")
    settings.required("redis_url")
    serve(
        "projector.services:create_app",
        host=host or settings.ops_host,
        port=port or settings.ops_port,
        log_format=settings.log_format,
        service="muster-project",
    )


def status(*, json: bool = False) -> None:
    """
    Show how far each projection is.

    :param json: print one JSON document instead of a table.
    """
    settings = Settings.load(os.environ).with_addresses()
    answer = _ask(f"{settings.required('ops_url')}/status")
    if json:
        sys.stdout.write(f"{answer.decode()}\n")
    else:
        _show(msgspec.json.decode(answer, type=Status), Console())


def _ask(url: str) -> bytes:
    try:
        return httpx.get(url, timeout=ANSWER_SECONDS).raise_for_status().content
    except httpx.HTTPError as error:
        sys.exit(f"the projector does not answer at {url} ({error}): start `muster up`, or `muster project`")


def _show(told: Status, console: Console) -> None:
    table = Table("projection", "state", "checkpoint", "behind", "age", "events/s", "parked", "generation", box=None)
    for each in told.projections:
        table.add_row(*_cells(each))
    console.print(table)
    console.print(f"head of the log: {_or_unknown(told.head)}")
    for projector in told.projectors:
        console.print(f"projector {projector.id}: {projector.role}, since {projector.since}", highlight=False)
    for each in told.projections:
        for line in _beside(each):
            console.print(line, highlight=False, soft_wrap=True)
    for line in _standstills(told):
        console.print(line, style="red", highlight=False, soft_wrap=True)


def _cells(each: ProjectionStatus) -> list[str]:
    age = None if each.lag_seconds is None else f"{each.lag_seconds:.1f} s"
    known = [_or_unknown(value) for value in (each.checkpoint, each.lag_events, age)]
    counted = [str(each.events_per_second), str(each.parked)]
    generation = each.generation[-8:] if each.generation else None  # they begin with the time, and differ in the end
    return [f"{each.name} v{each.version}", each.state, *known, *counted, _or_unknown(generation)]


def _beside(each: ProjectionStatus) -> Iterator[str]:
    """The generations that are not live."""
    if rebuild := each.rebuild:
        where = f"{rebuild.phase} {rebuild.generation}, at {rebuild.position:,} of {rebuild.target:,}"
        yield f"{each.name}: {where}, ordered by {rebuild.by} at {rebuild.since:%H:%M:%S}"
        if rebuild.held:
            yield f"{each.name}: held: {rebuild.held}"
    for kept in (generation for generation in each.generations if generation.kept_until):
        yield f"{each.name}: {kept.name} is kept at {kept.checkpoint} until {kept.kept_until:%H:%M:%S}"


def _standstills(told: Status) -> list[str]:
    errors = [f"{each.name} {each.state}: {each.error}" for each in told.projections if each.error]
    held = [f"the event log is {told.held_by.text}"] if told.held_by else []
    canary = [f"the canary was not answered: {told.canary}"] if told.canary else []
    parked = [
        f"{each.name}: {each.parked} documents are parked, see `muster parked list`"
        for each in told.projections
        if each.parked
    ]
    return [*errors, *parked, *held, *canary, *([told.error] if told.error else [])]


def _or_unknown(value: object) -> str:
    return "?" if value is None else str(value)
