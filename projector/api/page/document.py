"""The ops page: made whole by the server, and kept up to date part by part."""

from collections.abc import Iterator, Mapping
from importlib.metadata import version
from typing import Any, NamedTuple

from projector.api.page.buttons import button_of_a_delivery, buttons_of, buttons_of_a_document
from projector.api.page.figures import as_json, number, part_done, size, tally, time_left
from projector.api.page.sparklines import Values, sparkline
from projector.monitoring.answers import PartStatus, ProjectionStatus, Status
from projector.monitoring.status_history import StatusSnapshot
from projector.monitoring.timeline import Series, Timeline
from projector.monitoring.troubles import troubles_of
from shared.http.pages.packaged import PackagedPages
from shared.http.pages.templating import ROOT
from shared.http.parsing.forms import Form

TILES = (("head", "Head of the event log"), ("appended", "Appended"), ("behind", "Furthest behind"))
HEADS = ("projection", "state", "position", "behind", "events a second", "generation", "parked", "orders")
SECTIONS = {
    "parked": "Parked events",
    "rebuilds": "Rebuilds",
    "deliveries": "Deliveries and webhooks",
    "projectors": "Who projects",
}
"""By the id of each heading, in their order."""

PAGES = PackagedPages(__package__, "ops", "page.css", "page.js", "copy.js")
PAGES.templates.filters |= {"number": number, "size": size, "part_done": part_done, "tally": tally, "as_json": as_json}
PAGES.templates.globals |= {
    "version": version("muster"),
    "time_left": time_left,
    "buttons_of_a_document": buttons_of_a_document,
    "button_of_a_delivery": button_of_a_delivery,
}
_UNKNOWN = Series((), (), ())
_parts: Any = PAGES.templates.get_template("parts.html").module


class Ordered(NamedTuple):
    """
    What came of an order.

    :param place: the projection, or the section, where it is shown.
    """

    place: str
    text: str


def context_of(snapshot: StatusSnapshot, *, ordered: Ordered | None = None) -> Mapping[str, Any]:
    """Return what the dashboard shows, without a script too."""
    return {
        "parts": parts(snapshot),
        "projections": snapshot.status.projections,
        "ordered": ordered,
        "nothing": Form(()),
        "tiles": TILES,
        "heads": HEADS,
        "sections": SECTIONS,
    }


def parts(snapshot: StatusSnapshot) -> dict[str, str]:
    """Make what changes on the page, as HTML by the id of its element; links are relative to the service's root."""
    status, parked, deliveries = snapshot.status, snapshot.parked, snapshot.deliveries
    made = {
        "verdict": _parts.verdict(troubles_of(snapshot)),
        "seen": _parts.seen(snapshot.at),
        "layouts": _parts.division(status.division),
        "parked-shown": _parts.parked(parked),
        "rebuilds-shown": _parts.rebuilds(status.projections, snapshot.at),
        "deliveries-shown": _parts.deliveries(deliveries),
        "projectors-shown": _parts.projectors(status.projectors),
        "generations": _parts.generations(status.projections),
        "skipped": _parts.skipped(parked),
        **dict(_tiles(status, snapshot.timeline)),
    }
    for each in status.projections:
        made |= {f"{each.name}-{what}": html for what, html in _row(each, snapshot.timeline)}
        made |= {f"{part.name}-{what}": html for part in each.parts for what, html in _figures(part)}
    return {id_: str(html).replace(ROOT, "./") for id_, html in made.items()}


def _tiles(status: Status, timeline: Timeline) -> Iterator[tuple[str, str]]:
    appended = timeline.appended_per_second
    lags = [each.lag_seconds for each in status.projections]
    yield "head", _parts.figure(status.head)
    yield "appended", _parts.figure(appended[-1] if appended else None, "a second")
    yield "appended-hour", _chart("appended", "events a second", timeline, appended)
    yield "behind", _parts.figure(max((each for each in lags if each is not None), default=None), "s")
    yield "behind-hour", _chart("furthest behind", "s", timeline, _worst(timeline.projections))


def _row(each: ProjectionStatus, timeline: Timeline) -> Iterator[tuple[str, str]]:
    series = timeline.projections.get(each.name, _UNKNOWN)
    yield from _figures(each)
    yield "lag-hour", _chart(f"{each.name} behind", "s", timeline, series.lag_seconds)
    yield "rate-hour", _chart(f"{each.name}", "events a second", timeline, series.events_per_second)
    if each.parts:
        yield "worst", _parts.worst(each)


def _figures(each: PartStatus) -> Iterator[tuple[str, str]]:
    yield "state", _parts.state(each)
    yield "position", number(each.checkpoint)
    yield "lag", _parts.lag(each)
    yield "rate", _parts.figure(each.events_per_second)
    yield "generation", _parts.generation(each)
    yield "parked", _parts.parked_count(each)
    yield "actions", _parts.buttons(buttons_of(each))


def _chart(what: str, unit: str, timeline: Timeline, values: Values) -> str:
    html: str = _parts.sparkline(sparkline(what, unit, timeline, values))
    return html


def _worst(projections: Mapping[str, Series]) -> Values:
    """Return by how many seconds the slowest projection was behind at each time."""
    minutes = zip(*(each.lag_seconds for each in projections.values()), strict=True)
    return [max((each for each in minute if each is not None), default=None) for minute in minutes]
