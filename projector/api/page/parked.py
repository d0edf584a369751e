"""What is parked, on the page: each document that is behind, why, and what can be done; and what was skipped."""

from collections.abc import Iterable, Iterator
from html import escape
from urllib.parse import quote

from projector.api.page.buttons import Button
from projector.api.page.projections import instant, table
from projector.processing.parked_events import FailedEvent, ParkedDocument, ParkedReport, SkippedEvent


def documents(told: ParkedReport | None) -> str:
    """Those that are behind, with what can be done."""
    if told is None:
        return "<p>What is parked cannot be found out now.</p>"
    if not told.parked:
        return "<p>Nothing is parked.</p>"
    heads = ("document", "projection", "stale since", "waiting", "cannot be folded", "what to do")
    return table("Documents that are behind", heads, map(_document, told.parked))


def skipped(told: ParkedReport | None) -> str:
    """The events that have no effect, and who decided so."""
    if told is None or not told.skipped:
        return ""
    heads = ("position", "projection", "error", "reason", "by", "at")
    return table("Skipped for good", heads, map(_skipped, told.skipped))


def _document(told: ParkedDocument) -> Iterable[str]:
    yield f"{escape(told.kind)} <code>{escape(told.id)}</code>"
    yield escape(told.projection)
    yield instant(told.stale_since)
    yield f"{len(told.waiting):,} from position {told.waiting[0]:,}"
    yield "<br>".join(map(_failed, told.failed)) or "waits behind another"
    yield f'<div class="actions">{"".join(each.html() for each in _buttons(told))}</div>'


def _failed(told: FailedEvent) -> str:
    code = f"by <code>{escape(told.code)}</code>" if told.code else "to be tried"
    return f"position {told.position:,}: {escape(told.error)}, {code}"


def _buttons(told: ParkedDocument) -> Iterator[Button]:
    path = f"/parked/{quote(told.projection, safe='')}/{quote(told.id, safe=':')}"
    name, what = f"parked-{told.projection}-{told.kind}-{told.id}", f"{told.kind} {told.id} in {told.projection}"
    yield Button(
        id=f"{name}-retry",
        path=f"{path}/retry",
        action="Retry",
        what=what,
        consequence="All that keeps the document waiting is tried again, by the code that runs now.",
    )
    yield Button(
        id=f"{name}-skip",
        path=f"{path}/skip",
        action="Skip",
        what=f"an event of {what}",
        consequence=(
            f"The event at position {told.waiting[0]:,} will have no effect on any document of {told.projection}, for"
            " good. What waits behind it is tried."
        ),
        fields=("reason", "by"),
    )


def _skipped(told: SkippedEvent) -> Iterable[str]:
    yield f"{told.position:,}"
    yield escape(told.projection)
    yield escape(told.error or "waited behind another")
    yield escape(told.reason)
    yield escape(told.by)
    yield instant(told.at)
