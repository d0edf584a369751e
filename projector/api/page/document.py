"""The ops page: made whole by the server, and kept up to date part by part."""

from functools import cache
from html import escape
from importlib.metadata import version
from importlib.resources import files
from string import Template

from projector.api.page.parked import documents, skipped
from projector.api.page.projections import card, instant, number, projection, table
from projector.monitoring.status import ProjectorStatus, Status
from projector.monitoring.status_history import StatusSnapshot
from shared.http.pages import STYLE

_ASSETS = files(__package__)


def page(snapshot: StatusSnapshot) -> bytes:
    """The document, as it is without a script too."""
    changing = parts(snapshot)
    cards = "".join(card(each, changing) for each in snapshot.status.projections)
    named = {name.replace("-", "_"): html for name, html in changing.items()}
    return _template().substitute(named, cards=cards, version=escape(version("muster"))).encode()


def parts(snapshot: StatusSnapshot) -> dict[str, str]:
    """What changes on the page, as HTML by the id of its element."""
    told: dict[str, str] = {
        "seen": f"As of {instant(snapshot.at)}",
        "log": _log(snapshot.status),
        "projectors": _projectors(snapshot.status.projectors),
        "parked-documents": documents(snapshot.parked),
        "parked-skipped": skipped(snapshot.parked),
    }
    for each in snapshot.status.projections:
        told |= projection(each, now=snapshot.at)
    return told


def style() -> bytes:
    """As all pages have it, and what this one needs besides."""
    return STYLE.encode() + asset("page.css")


@cache
def asset(name: str) -> bytes:
    """A file that is served as it is."""
    return _ASSETS.joinpath(name).read_bytes()


@cache
def _template() -> Template:
    return Template(asset("page.html").decode())


def _log(told: Status) -> str:
    held = f'<p class="error">The event log is {escape(told.held_by.text)}</p>' if told.held_by else ""
    error = f'<p class="error">{escape(told.error)}</p>' if told.error else ""
    read_probe = (
        f'<p class="error">The read probe was not answered: {escape(told.read_probe)}</p>' if told.read_probe else ""
    )
    return f"<p>Head of the event log: <b>{number(told.head)}</b></p>{held}{error}{read_probe}"


def _projectors(told: list[ProjectorStatus]) -> str:
    if not told:
        return "<p>Nobody is known to feed: Redis does not answer, or no projector runs.</p>"
    rows = ((f"<code>{escape(each.id)}</code>", escape(each.role), escape(each.since)) for each in told)
    return table("Projectors", ("projector", "role", "since"), rows)
