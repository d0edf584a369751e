"""What is not well, in one sentence each: an operator sees at a glance whether anything asks for them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain
from typing import NamedTuple

from projector.monitoring.answers import PartStatus, ProjectionStatus, Status
from projector.monitoring.deliveries import DeliveriesReport
from projector.monitoring.status_history import StatusSnapshot
from projector.parked.answers import ParkedDocument, ParkedReport
from projector.processing.progress import ProjectionState
from shared.wording import counted

LATE_SECONDS = 10.0
"""As the alert `MusterLag` has it."""

_STATES: Mapping[str, str] = {
    ProjectionState.STOPPED: "has stopped",
    ProjectionState.WAITING: "waits",
    ProjectionState.FILLING: "is being filled, and cannot be read yet",
}


class Trouble(NamedTuple):
    """
    Something that is not well.

    :param where: the part of the page that says more.
    """

    text: str
    where: str


def troubles_of(snapshot: StatusSnapshot) -> Sequence[Trouble]:
    """Say what is not well; nothing, where all is."""
    status = snapshot.status
    return [
        *_of_servers(status),
        *chain.from_iterable(map(_of_projection, status.projections)),
        *_of_parked(snapshot.parked),
        *_of_deliveries(snapshot.deliveries),
    ]


def _of_servers(status: Status) -> Iterator[Trouble]:
    if status.error:
        yield Trouble(status.error, "log")
    elif not any(each.role == "holder" for each in status.projectors):
        yield Trouble("no projector feeds", "projectors")
    if status.held_by:
        yield Trouble(f"the event log is {status.held_by.text}", "log")
    if status.read_probe:
        yield Trouble(f"the read probe was not answered: {status.read_probe}", "log")


def _of_projection(status: ProjectionStatus) -> Iterator[Trouble]:
    name = status.name
    if what := _STATES.get(status.state):
        yield Trouble(f"{name} {what}{_where(status, lambda part: part.state == status.state)}", name)
    elif _is_late(status):
        yield Trouble(f"{name} is {status.lag_seconds:,.0f} s behind{_where(status, _is_late)}", name)
    if (rebuild := status.rebuild) and (why := rebuild.held or rebuild.error):
        yield Trouble(f"the rebuild of {name} waits for you: {why}", "rebuilds")


def _is_late(part: PartStatus) -> bool:
    return part.lag_seconds is not None and part.lag_seconds > LATE_SECONDS


def _where(status: ProjectionStatus, is_so: Callable[[PartStatus], bool]) -> str:
    """Name the worst part, and say how many others are so."""
    if status.worst is None:
        return ""
    others = sum(map(is_so, status.parts)) - 1
    return f": {status.worst}" + (f", and {counted(others, 'other part')}" if others > 0 else "")


def _of_parked(report: ParkedReport | None) -> Iterator[Trouble]:
    if report is None:
        yield Trouble("what is parked cannot be found out", "parked")
    parked = report.parked if report else ()
    for name in dict.fromkeys(each.projection for each in parked):
        yield Trouble(_behind(name, [each for each in parked if each.projection == name]), "parked")


def _behind(projection: str, parked: Sequence[ParkedDocument]) -> str:
    failed = next((failure for each in parked for failure in each.failed), None)
    why = f": {failed.error} at position {failed.position:,}" if failed else ""
    return f"{counted(len(parked), 'document')} of {projection} cannot follow{why}"


def _of_deliveries(report: DeliveriesReport | None) -> Iterator[Trouble]:
    if report is None:
        yield Trouble("what is to be delivered cannot be found out", "deliveries")
        return
    if report.given_up:
        yield Trouble(f"{counted(report.given_up, 'delivery', 'deliveries')} given up", "deliveries")
    for each in report.webhooks:
        if each.state != "active":
            yield Trouble(f"webhook {each.name} is {each.state}", "deliveries")
