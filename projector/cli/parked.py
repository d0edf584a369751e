"""`muster parked`: what could not be folded, and what is to become of it."""

import getpass
import os
import sys
from urllib.parse import quote

import httpx
import msgspec
from cyclopts import App
from rich.console import Console
from rich.table import Table

from projector.cli.ops_client import Ended, no_answer, problem_of
from projector.processing.parked_events import Asked, ParkedDocument, SkippedEvent, WhatIsParked
from shared.auth.local_access import bearer, require_let_in
from shared.loopback import DIRECT
from shared.settings import Settings
from shared.text import printable

ANSWER_SECONDS = 15.0
WRONG_USAGE = 2

parked = App(name="parked", help_format="plaintext")


@parked.command(name="list")
def list_parked(*, json: bool = False) -> None:
    """
    Show every document that is behind, and every event that was skipped.

    :param json: print one JSON document instead of tables.
    """
    _tell(_ask("GET", "/parked"), as_json=json)


@parked.command
def show(projection: str, id: str, /, *, json: bool = False) -> None:
    """
    Show what waits for a document, why, and what was skipped for it.

    :param projection: its name.
    :param id: the document's, as `muster parked list` shows it.
    :param json: print one JSON document instead of tables.
    """
    _tell(_ask("GET", _path(projection, id)), as_json=json)


@parked.command
def retry(projection: str, id: str, /, *, json: bool = False) -> int:
    """
    Try again all that keeps a document waiting.

    :param projection: its name.
    :param id: the document's, as `muster parked list` shows it.
    :param json: print one JSON document instead of tables.
    """
    return _tell_outcome(_ask("POST", f"{_path(projection, id)}/retry", {}), as_json=json)


@parked.command
def skip(projection: str, id: str, /, *, reason: str, json: bool = False) -> int:
    """
    Drop the first event that waits for a document: it will have no effect on any. What waits behind it is tried.

    :param projection: its name.
    :param id: the document's, as `muster parked list` shows it.
    :param reason: why; it is kept, with your name and the time.
    :param json: print one JSON document instead of tables.
    """
    said = {"reason": reason, "by": getpass.getuser()}
    return _tell_outcome(_ask("POST", f"{_path(projection, id)}/skip", said), as_json=json)


def _path(projection: str, id: str) -> str:
    return f"/parked/{quote(projection, safe='')}/{quote(id, safe=':')}"


def _ask(method: str, path: str, body: dict[str, str] | None = None) -> bytes:
    settings = Settings.load(os.environ).with_addresses()
    url = settings.required("ops_url") + path
    try:
        with httpx.Client(timeout=ANSWER_SECONDS, headers=bearer(settings, url), mounts=DIRECT) as client:
            answer = client.request(method, url, json=body)
    except httpx.HTTPError as error:
        sys.exit(no_answer(url, error))
    require_let_in(answer)
    if answer.is_success:
        return answer.content
    raise _failure(answer)


def _failure(answer: httpx.Response) -> SystemExit:
    try:
        problem = problem_of(answer)
    except Ended as error:
        return SystemExit(str(error))
    print(f"{printable(problem.detail)}: see `muster parked list` and {answer.url.join(problem.type)}", file=sys.stderr)  # noqa: T201 - for people
    return SystemExit(WRONG_USAGE if problem.type == "/problems/projection-not-found" else 1)


def _tell(answer: bytes, *, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(f"{answer.decode()}\n")
        return
    told = msgspec.json.decode(answer, type=WhatIsParked)
    _show(told.parked, told.skipped, Console(markup=False))


def _tell_outcome(answer: bytes, *, as_json: bool) -> int:
    """Say what became of a request; 1 while something is still parked."""
    told = msgspec.json.decode(answer, type=Asked)
    if as_json:
        sys.stdout.write(f"{answer.decode()}\n")
    else:
        _show(told.parked, told.skipped, Console(markup=False))
    if not told.settled:
        print("no projector has looked at it yet: it will be done as soon as one feeds", file=sys.stderr)  # noqa: T201 - likewise
    return 1 if told.parked else 0


def _show(documents: tuple[ParkedDocument, ...], skipped: tuple[SkippedEvent, ...], console: Console) -> None:
    if not documents:
        console.print("nothing is parked")
    else:
        table = Table("projection", "document", "stale since", "waiting", "cannot be folded", box=None)
        for each in documents:
            table.add_row(*_cells(each))
        console.print(table)
    for event in skipped:
        told = f"skipped: position {event.position} of {event.projection} ({event.error or 'waited'})"
        said = printable(f"by {event.by} at {event.at:%Y-%m-%d %H:%M:%S}Z: {event.reason}")
        console.print(f"{told}, {said}", highlight=False)


def _cells(each: ParkedDocument) -> tuple[str, ...]:
    failed = [f"{event.position}: {event.error}, by {event.code or 'to be tried'}" for event in each.failed]
    since = f"{each.stale_since:%Y-%m-%d %H:%M:%S}Z"
    waiting = f"{len(each.waiting)} from position {each.waiting[0]}"
    return each.projection, f"{each.kind} {each.id}", since, waiting, "\n".join(failed) or "waits behind another"
