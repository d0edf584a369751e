"""`muster parked`: what could not be folded, and what is to become of it."""

import getpass
from collections.abc import Mapping
from typing import Annotated

import msgspec
from cyclopts import App, Parameter

from projector.parked.answers import ParkedDocument, ParkedReply, ParkedReport, path_of
from shared.cli.api_client import PROJECTOR, ApiRefused, ask
from shared.cli.exit_codes import DONE, FAILED
from shared.cli.options import Json
from shared.cli.output import print_json, print_line, print_table, say
from shared.text import printable

parked = App(name="parked", help_format="plaintext")

PartName = Annotated[str, Parameter(help="of a projection, or of a part, such as profiles.3")]
DocumentId = Annotated[str, Parameter(help="the document's, as `muster parked list` shows it")]


@parked.command(name="list")
def list_parked(*, json: Json = False) -> None:
    """Show every document that is behind, and every event that was skipped."""
    _print_parked(_request("/parked"), as_json=json)


@parked.command
def show(projection: PartName, id: DocumentId, /, *, json: Json = False) -> None:
    """Show what waits for a document, why, and what was skipped for it."""
    _print_parked(_request(path_of(projection, id)), as_json=json)


@parked.command
def retry(projection: PartName, id: DocumentId, /, *, json: Json = False) -> int:
    """Try again all that keeps a document waiting."""
    return _print_outcome(_request(f"{path_of(projection, id)}/retry", {}), as_json=json)


@parked.command
def skip(
    projection: PartName, id: DocumentId, /, *, reason: str, position: int | None = None, json: Json = False
) -> int:
    """
    Drop the first event that waits for a document: it will have no effect on any. What waits behind it is tried.

    :param reason: why; it is kept, with your name and the time.
    :param position: of the event that is meant: nothing is dropped if another one waits first by then.
    """
    body: dict[str, str | int] = {"reason": reason, "by": getpass.getuser()}
    if position is not None:
        body["position"] = position
    return _print_outcome(_request(f"{path_of(projection, id)}/skip", body), as_json=json)


def _request(path: str, body: Mapping[str, str | int] | None = None) -> bytes:
    try:
        return ask(PROJECTOR, path, body)
    except ApiRefused as refusal:
        raise ApiRefused(refusal.problem, status=refusal.status, hint="see `muster parked list`") from None


def _print_parked(answer: bytes, *, as_json: bool) -> None:
    if as_json:
        print_json(answer)
        return
    _show(msgspec.json.decode(answer, type=ParkedReport))


def _print_outcome(answer: bytes, *, as_json: bool) -> int:
    """Print what became of a request; 1 while something is still parked."""
    outcome = msgspec.json.decode(answer, type=ParkedReply)
    if as_json:
        print_json(answer)
    else:
        _show(outcome)
    if not outcome.settled:
        say("no projector has looked at it yet: it will be done as soon as one feeds")
    return FAILED if outcome.parked else DONE


def _show(report: ParkedReport) -> None:
    if not report.parked:
        print_line("nothing is parked")
    else:
        columns = ("projection", "document", "stale since", "waiting", "cannot be folded")
        print_table(columns, map(_cells, report.parked))
    for event in report.skipped:
        what = f"skipped: position {event.position} of {event.projection} ({event.error or 'waited'})"
        why = printable(f"by {event.by} at {event.at:%Y-%m-%d %H:%M:%S}Z: {event.reason}")
        print_line(f"{what}, {why}")


def _cells(each: ParkedDocument) -> tuple[str, ...]:
    failed = [f"{event.position}: {event.error}, by {event.code or 'to be tried'}" for event in each.failed]
    since = f"{each.stale_since:%Y-%m-%d %H:%M:%S}Z"
    waiting = f"{len(each.waiting)} from position {each.waiting[0]}"
    where = each.where if len(each.parts) <= 1 else f"{each.projection}, {len(each.parts)} parts"
    return where, f"{each.kind} {each.id}", since, waiting, "\n".join(failed) or "waits behind another"
