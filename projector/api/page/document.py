"""The ops page: made whole by the server, and kept up to date part by part."""

from functools import cache
from importlib.metadata import version
from importlib.resources import files
from typing import Any

from projector.api.page.buttons import button_of_a_delivery, buttons_of_a_document, buttons_of_a_projection
from projector.api.page.figures import number, part_done, size, tally, time_left
from projector.monitoring.status_history import StatusSnapshot
from shared.http.pages.documentation import ROOT, STYLE
from shared.http.pages.templating import templates_of

MEASURES = {
    "lag_events": "events behind",
    "lag_seconds": "seconds behind",
    "events_per_second": "events a second",
}
"""What is drawn over time: by the name of the figure in `Timeline`, what it is called."""

_FILES = files(__package__)

_templates = templates_of(__package__)
_templates.filters |= {"number": number, "size": size, "part_done": part_done, "tally": tally}
_templates.globals |= {
    "root": ROOT,
    "time_left": time_left,
    "buttons_of_a_projection": buttons_of_a_projection,
    "buttons_of_a_document": buttons_of_a_document,
    "button_of_a_delivery": button_of_a_delivery,
}
_parts: Any = _templates.get_template("parts.html").module


def page(snapshot: StatusSnapshot) -> bytes:
    """Make the document, as it is without a script too."""
    document = _templates.get_template("page.html").render(
        parts=parts(snapshot),
        projections=snapshot.status.projections,
        measures=MEASURES,
        version=version("muster"),
    )
    return document.encode()


def parts(snapshot: StatusSnapshot) -> dict[str, str]:
    """Make what changes on the page, as HTML by the id of its element."""
    made = {
        "seen": _parts.seen(snapshot.at),
        "log": _parts.log(snapshot.status),
        "projectors": _parts.projectors(snapshot.status.projectors),
        "parked-documents": _parts.parked_documents(snapshot.parked),
        "parked-skipped": _parts.parked_skipped(snapshot.parked),
        "deliveries-given-up": _parts.deliveries(snapshot.deliveries),
    }
    for each in snapshot.status.projections:
        made |= {
            f"{each.name}-state": _parts.state(each),
            f"{each.name}-figures": _parts.figures(each),
            f"{each.name}-building": _parts.rebuild(each.rebuild, now=snapshot.at) if each.rebuild else "",
            f"{each.name}-generations": _parts.generations(each.generations),
            f"{each.name}-actions": _parts.buttons(buttons_of_a_projection(each)),
        }
    return {id_: str(html) for id_, html in made.items()}


def style() -> bytes:
    """Return the style that all pages have, and what this one needs besides."""
    return STYLE.encode() + asset("page.css")


@cache
def asset(name: str) -> bytes:
    """Read a file that is served as it is."""
    return _FILES.joinpath(name).read_bytes()
