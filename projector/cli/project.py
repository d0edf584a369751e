"""The projector's commands."""

import os
import sys
from collections.abc import Iterator, Sequence

import httpx
import msgspec
from rich.console import Console
from rich.filesize import decimal
from rich.table import Table

from projector.cli.ops_client import no_answer
from projector.monitoring.status import GenerationStatus, ProjectionStatus, Status
from shared.auth.local_access import bearer, require_let_in
from shared.auth.setup import require_access
from shared.loopback import DIRECT
from shared.server.serving import serve
from shared.settings import Settings
from shared.text import printable

ANSWER_SECONDS = 10.0


def project(*, host: str | None = None, port: int | None = None, workers: int = 1) -> None:
    """
    Project events into Redis and serve the ops API until SIGTERM or SIGINT.

    :param host: the address to listen at, instead of MUSTER_OPS_HOST.
    :param port: instead of MUSTER_OPS_PORT.
    :param workers: 1; a projector is one process. Start another one for a standby.
    """
    if workers != 1:
        sys.exit("a projector is one process: leave --workers out, and start another one for a standby")
    settings = Settings.load(os.environ).with_addresses()
    settings.required("database_url")
    settings.required("redis_url")
    require_access(settings, host=host or settings.ops_host)
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
    answer = _ask(settings, f"{settings.required('ops_url')}/status")
    if json:
        sys.stdout.write(f"{answer.decode()}\n")
    else:
        _show(msgspec.json.decode(answer, type=Status), Console(markup=False))


def _ask(settings: Settings, url: str) -> bytes:
    try:
        with httpx.Client(timeout=ANSWER_SECONDS, headers=bearer(settings, url), mounts=DIRECT) as client:
            answer = client.get(url)
        require_let_in(answer)
        return answer.raise_for_status().content
    except httpx.HTTPError as error:
        sys.exit(no_answer(url, error))


def _show(told: Status, console: Console) -> None:
    table = Table("projection", "state", "checkpoint", "behind", "age", "events/s", "parked", "size", box=None)
    for each in told.projections:
        table.add_row(*_cells(each))
    console.print(table)
    console.print(f"head of the log: {_or_unknown(told.head)}")
    for projector in told.projectors:
        console.print(f"projector {projector.id}: {projector.role}, since {projector.since}", highlight=False)
    for each in told.projections:
        for line in _beside(each):
            console.print(printable(line), highlight=False, soft_wrap=True)
    for line in _standstills(told):
        console.print(printable(line), style="red", highlight=False, soft_wrap=True)


def _cells(each: ProjectionStatus) -> list[str]:
    age = None if each.lag_seconds is None else f"{each.lag_seconds:.1f} s"
    known = [_or_unknown(value) for value in (each.checkpoint, each.lag_events, age)]
    counted = [str(each.events_per_second), str(each.parked)]
    size = _size([generation.bytes for generation in each.generations])
    return [f"{each.name} v{each.version}", each.state, *known, *counted, size]


def _size(parts: Sequence[int | None]) -> str:
    known = [part for part in parts if part is not None]
    return decimal(sum(known)) if len(known) == len(parts) else "?"


def _beside(each: ProjectionStatus) -> Iterator[str]:
    """Its generations, and what becomes of them."""
    yield from (_generation(each.name, generation) for generation in each.generations)
    if rebuild := each.rebuild:
        where = f"{rebuild.phase} {rebuild.generation}, at {rebuild.position:,} of {rebuild.target:,}"
        yield f"{each.name}: {where}, ordered by {rebuild.by} at {rebuild.since:%H:%M:%S}"
        if rebuild.held:
            yield f"{each.name}: held: {rebuild.held}"


def _generation(projection: str, told: GenerationStatus) -> str:
    documents = "1 document" if told.documents == 1 else f"{_or_unknown(told.documents)} documents"
    held = f"{documents}, {_size([told.bytes])}"
    kept = f", kept until {told.kept_until:%H:%M:%S}" if told.kept_until else ""
    return f"{projection}: {told.role} {told.name} (version {told.version}), at {told.checkpoint}, {held}{kept}"


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
