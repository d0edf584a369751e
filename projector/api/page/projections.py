"""One projection on the page: how far it is, its generations, its rebuild, and what can be done."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from html import escape

from rich.filesize import decimal

from projector.api.page.buttons import buttons, tally
from projector.monitoring.status import GenerationStatus, ProjectionStatus, RebuildStatus
from projector.store.generations import Comparison, Sample

MEASURES = {
    "lag_events": "events behind",
    "lag_seconds": "seconds behind",
    "events_per_second": "events a second",
}
"""What is drawn over time: by the name of the figure in `Timeline`, what it is called."""

UNKNOWN, NONE = "unknown", "none"


def projection(told: ProjectionStatus, *, now: datetime) -> dict[str, str]:
    """The parts of the page that change, as HTML by the id of their element."""
    return {
        f"{told.name}-state": _state(told),
        f"{told.name}-figures": _figures(told),
        f"{told.name}-building": _rebuild(told.rebuild, now=now) if told.rebuild else "",
        f"{told.name}-generations": _generations(told.generations),
        f"{told.name}-actions": buttons(told),
    }


def card(told: ProjectionStatus, parts: dict[str, str]) -> str:
    """The whole of a projection."""
    name = escape(told.name)
    charts = "".join(_chart(name, measure, label) for measure, label in MEASURES.items())
    state, figures, building, generations, actions = (
        f'<div id="{name}-{part}" class="{part}">{parts[f"{told.name}-{part}"]}</div>'
        for part in ("state", "figures", "building", "generations", "actions")
    )
    return (
        f'<article aria-labelledby="{name}"><h2 id="{name}" tabindex="-1">{name} <small>version {told.version}</small>'
        f'</h2>{state}{figures}<div class="charts">{charts}</div>{building}{generations}{actions}</article>'
    )


def number(value: float | None) -> str:
    """A figure, as people read it."""
    if value is None:
        return UNKNOWN
    return f"{value:,}" if isinstance(value, int) else f"{value:,.1f}"


def instant(at: datetime) -> str:
    """A time, to the second."""
    return f'<time datetime="{at.isoformat()}">{at:%Y-%m-%d %H:%M:%S}</time> UTC'


def table(caption: str, heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Cells are HTML; each says what it is, for screens too narrow for columns."""
    names = list(heads)
    head = "".join(f'<th scope="col">{escape(each)}' for each in names)
    body = "".join(f"<tr>{''.join(map(_cell, names, row))}" for row in rows)
    return f"<table><caption>{escape(caption)}</caption><thead><tr>{head}<tbody>{body}</table>"


def _cell(name: str, html: str) -> str:
    return f'<td data-head="{escape(name)}"><div>{html}</div>'


def _state(told: ProjectionStatus) -> str:
    error = f'<p class="error">{escape(told.error)}</p>' if told.error else ""
    return f'<p class="badge {escape(told.state)}">{escape(told.state)}</p>{error}'


def _figures(told: ProjectionStatus) -> str:
    figures = {
        "position": number(told.checkpoint),
        "events behind": number(told.lag_events),
        "seconds behind": number(told.lag_seconds),
        "events a second": number(told.events_per_second),
        "documents parked": number(told.parked),
    }
    return f"<dl>{''.join(f'<div><dt>{label}<dd>{value}</div>' for label, value in figures.items())}</dl>"


def _chart(name: str, measure: str, label: str) -> str:
    """Empty: page.js draws it, since without it nothing would move."""
    return (
        f'<figure data-projection="{name}" data-measure="{measure}"><figcaption>{label}: <b></b></figcaption>'
        f'<svg role="img" aria-label="{label}, not drawn yet" viewBox="0 0 600 80" preserveAspectRatio="none"></svg>'
        "</figure>"
    )


def _generations(generations: Iterable[GenerationStatus]) -> str:
    known = list(generations)
    if not known:
        return "<p>No generation: nothing was ever filled, or Redis does not answer.</p>"
    heads = ("generation", "role", "version", "position", "holds", "fed here", "kept until")
    kept = "".join(_comparison(each.comparison, of="What the switch has changed") for each in known if each.comparison)
    return table("Generations", heads, map(_generation, known)) + kept


def _generation(told: GenerationStatus) -> Iterable[str]:
    yield f"<code>{escape(told.name)}</code>"
    yield escape(told.role)
    yield str(told.version)
    yield number(told.checkpoint)
    yield f"{number(told.documents)} documents, {UNKNOWN if told.bytes is None else decimal(told.bytes)}"
    yield escape(told.state or "no")
    yield instant(told.kept_until) if told.kept_until else NONE


def _rebuild(told: RebuildStatus, *, now: datetime) -> str:
    most = max(told.target, 1)
    bar = f'<progress aria-label="Progress of the rebuild" max="{most}" value="{told.position}"></progress>'
    held = f'<p class="held">Held: {escape(told.held)}</p>' if told.held else ""
    error = f'<p class="error">{escape(told.error)}</p>' if told.error else ""
    compared = _comparison(told.comparison, of="What the switch would change") if told.comparison else ""
    return (
        f'<h3>Rebuild: <span class="phase">{escape(told.phase)}</span></h3>{bar}<p>{_progress(told, now=now)}</p>'
        f"<p>Generation <code>{escape(told.generation)}</code>, version {told.version}, ordered by {escape(told.by)},"
        f" {instant(told.since)}</p>{held}{error}{compared}"
    )


def _progress(told: RebuildStatus, *, now: datetime) -> str:
    part = min(told.position / max(told.target, 1), 1)
    left = time_left(told, now=now)
    return (
        f"Position {number(told.position)} of {number(told.target)} ({part:.0%}),"
        f" {number(told.events_per_second)} events a second" + (f", about {left} left" if left is not None else "")
    )


def time_left(told: RebuildStatus, *, now: datetime) -> timedelta | None:
    """At the rate since it was ordered; None while nobody can know, or when nothing is left to be replayed."""
    spent, left = now - told.since, told.target - told.position
    if told.position <= 0 or left <= 0 or spent <= timedelta():
        return None
    return timedelta(seconds=round(spent.total_seconds() * left / told.position))


def _comparison(told: Comparison, *, of: str) -> str:
    samples = table("Examples", ("difference", "record", "fields"), map(_sample, told.samples)) if told.samples else ""
    summary = tally(told)
    return f'<div class="comparison"><h3>{of}</h3><p>{summary[0].upper()}{summary[1:]}</p>{samples}</div>'


def _sample(told: Sample) -> Iterable[str]:
    yield escape(told.difference)
    yield f"{escape(told.kind)} <code>{escape(told.id)}</code>"
    yield ", ".join(f"<code>{escape(each)}</code>" for each in told.fields) or NONE
