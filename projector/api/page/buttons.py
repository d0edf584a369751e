"""What an operator may order, as buttons that say what will happen; page.js asks before it sends anything."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal
from urllib.parse import quote

from projector.api.page.figures import tally
from projector.monitoring.status import GenerationStatus, ProjectionStatus, RebuildStatus
from projector.processing.parked_events import ParkedDocument
from projector.rebuilding.comparison import reason_to_hold
from projector.store.generations import KEEP_OLD_SECONDS, Comparison, Order

Field = Literal["by", "hold", "force", "reason"]
"""What an operator is asked besides; page.html has a field for each."""

READERS_GO_BACK = "Even if readers are taken back to an earlier state"
RECORDS_GO = "Even though so many records would be gone"


@dataclass(frozen=True, kw_only=True)
class Button:
    """
    A request that can be made.

    :param id: of the button, so that the focus finds it again.
    :param action: the last part of `path`, as the button's text.
    :param what: is acted on.
    :param consequence: what will happen.
    :param force: what must be confirmed apart; without it, it cannot be forced.
    """

    id: str
    path: str
    action: str
    what: str
    consequence: str
    fields: Sequence[Field] = ()
    force: str = ""

    @property
    def label(self) -> str:
        return f"{self.action} {self.what}"

    @property
    def asked_for(self) -> Sequence[str]:
        """Name the fields that are shown before the request is sent."""
        return (*self.fields, *(["force"] if self.force else []))


def buttons_of_a_projection(status: ProjectionStatus) -> Sequence[Button]:
    """Return what can be done with a projection now."""
    return (*_of_a_rebuild(status), *_of_a_kept_generation(status))


def buttons_of_a_document(document: ParkedDocument) -> Sequence[Button]:
    """Return what can be done with a document that is behind."""
    path = f"/parked/{quote(document.projection, safe='')}/{quote(document.id, safe=':')}"
    name = f"parked-{document.projection}-{document.kind}-{document.id}"
    what = f"{document.kind} {document.id} in {document.projection}"
    retry = Button(
        id=f"{name}-retry",
        path=f"{path}/retry",
        action="Retry",
        what=what,
        consequence="All that keeps the document waiting is tried again, by the code that runs now.",
    )
    skip = Button(
        id=f"{name}-skip",
        path=f"{path}/skip",
        action="Skip",
        what=f"an event of {what}",
        consequence=(
            f"The event at position {document.waiting[0]:,} will have no effect on any document of"
            f" {document.projection}, for good. What waits behind it is tried."
        ),
        fields=("reason", "by"),
    )
    return retry, skip


def _of_a_rebuild(status: ProjectionStatus) -> Iterator[Button]:
    live, rebuild = _live(status), status.rebuild
    if live and rebuild is None:
        yield _rebuild(status, live)
    if live and rebuild and rebuild.held:
        yield _switch(status, rebuild, live)
    if live and rebuild:
        yield _abort(status, rebuild, live)


def _rebuild(status: ProjectionStatus, live: GenerationStatus) -> Button:
    return Button(
        id=f"{status.name}-rebuild",
        path=f"/projections/{status.name}/rebuild",
        action="Rebuild",
        what=status.name,
        consequence=(
            f"The records are made anew from the event log, beside generation {live.name}, which is read meanwhile."
            " Then both are compared, and readers use the new one. The old one is kept for"
            f" {round(KEEP_OLD_SECONDS / 60)} minutes, to switch back to."
        ),
        fields=("hold", "by"),
    )


def _switch(status: ProjectionStatus, rebuild: RebuildStatus, live: GenerationStatus) -> Button:
    comparison = rebuild.comparison or Comparison(records=0)
    exceeds = reason_to_hold(comparison, Order(by=rebuild.by, at=rebuild.since))
    return Button(
        id=f"{status.name}-switch",
        path=f"/projections/{status.name}/rebuild",
        action="Switch",
        what=status.name,
        consequence=(
            f"Readers use generation {rebuild.generation} from then on: {tally(comparison)}"
            f" Generation {live.name} is kept for {round(KEEP_OLD_SECONDS / 60)} minutes, to switch back to."
        ),
        fields=("by",),
        force=RECORDS_GO if exceeds else "",
    )


def _abort(status: ProjectionStatus, rebuild: RebuildStatus, live: GenerationStatus) -> Button:
    return Button(
        id=f"{status.name}-abort",
        path=f"/projections/{status.name}/abort",
        action="Abort",
        what=f"the rebuild of {status.name}",
        consequence=(
            f"Generation {rebuild.generation} is dropped, with all that was done for it."
            f" Generation {live.name}, which is read, stays as it is."
        ),
    )


def _of_a_kept_generation(status: ProjectionStatus) -> Iterator[Button]:
    live = _live(status)
    for kept in (each for each in status.generations if each.role == "kept" and live):
        yield Button(
            id=f"{status.name}-rollback",
            path=f"/projections/{status.name}/rollback",
            action="Roll back",
            what=status.name,
            consequence=(
                f"Readers use generation {kept.name} again, which stands at {_or_unknown(kept.checkpoint)}."
                " The one they use now is kept, to switch back to."
            ),
            force=READERS_GO_BACK,
        )


def _live(status: ProjectionStatus) -> GenerationStatus | None:
    return next((each for each in status.generations if each.role == "live"), None)


def _or_unknown(position: int | None) -> str:
    return "an unknown position" if position is None else f"position {position:,}"
