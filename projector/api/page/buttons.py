"""What an operator may order, as buttons that say what will happen; page.js asks before it sends anything."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from typing import Literal

import msgspec

from projector.monitoring.status import GenerationStatus, ProjectionStatus, RebuildStatus
from projector.rebuilding.comparison import reason_to_hold
from projector.store.generations import KEEP_OLD_SECONDS, Comparison, Order

Field = Literal["by", "hold", "force", "reason"]
"""What is asked for besides; page.html has a field for each."""

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

    def html(self) -> str:
        told = {
            "path": self.path,
            "title": f"{self.action} {self.what}?",
            "text": self.consequence,
            "fields": " ".join((*self.fields, *(["force"] if self.force else []))),
            "force": self.force,
        }
        data = " ".join(f'data-{name}="{escape(text)}"' for name, text in told.items())
        label = escape(f"{self.action} {self.what}")
        return (
            f'<button type="button" id="{escape(self.id)}" aria-label="{label}" {data}>{escape(self.action)}</button>'
        )


def buttons(told: ProjectionStatus) -> str:
    """What can be done with a projection now."""
    return "".join(each.html() for each in (*_of_a_rebuild(told), *_of_a_kept_generation(told)))


def _of_a_rebuild(told: ProjectionStatus) -> Iterator[Button]:
    live, rebuild = _live(told), told.rebuild
    if live and rebuild is None:
        yield _rebuild(told, live)
    if live and rebuild and rebuild.held:
        yield _switch(told, rebuild, live)
    if live and rebuild:
        yield _abort(told, rebuild, live)


def _rebuild(told: ProjectionStatus, live: GenerationStatus) -> Button:
    return Button(
        id=f"{told.name}-rebuild",
        path=f"/projections/{told.name}/rebuild",
        action="Rebuild",
        what=told.name,
        consequence=(
            f"The records are made anew from the event log, beside generation {live.name}, which is read meanwhile."
            " Then both are compared, and readers use the new one. The old one is kept for"
            f" {round(KEEP_OLD_SECONDS / 60)} minutes, to switch back to."
        ),
        fields=("hold", "by"),
    )


def _switch(told: ProjectionStatus, rebuild: RebuildStatus, live: GenerationStatus) -> Button:
    comparison = rebuild.comparison or Comparison(records=0)
    exceeds = reason_to_hold(comparison, Order(by=rebuild.by, at=rebuild.since))
    return Button(
        id=f"{told.name}-switch",
        path=f"/projections/{told.name}/rebuild",
        action="Switch",
        what=told.name,
        consequence=(
            f"Readers use generation {rebuild.generation} from then on: {tally(comparison)}"
            f" Generation {live.name} is kept for {round(KEEP_OLD_SECONDS / 60)} minutes, to switch back to."
        ),
        fields=("by",),
        force=RECORDS_GO if exceeds else "",
    )


def _abort(told: ProjectionStatus, rebuild: RebuildStatus, live: GenerationStatus) -> Button:
    return Button(
        id=f"{told.name}-abort",
        path=f"/projections/{told.name}/abort",
        action="Abort",
        what=f"the rebuild of {told.name}",
        consequence=(
            f"Generation {rebuild.generation} is dropped, with all that was done for it."
            f" Generation {live.name}, which is read, stays as it is."
        ),
    )


def _of_a_kept_generation(told: ProjectionStatus) -> Iterator[Button]:
    live = _live(told)
    for kept in (each for each in told.generations if each.role == "kept" and live):
        yield Button(
            id=f"{told.name}-rollback",
            path=f"/projections/{told.name}/rollback",
            action="Roll back",
            what=told.name,
            consequence=(
                f"Readers use generation {kept.name} again, which stands at {_or_unknown(kept.checkpoint)}."
                " The one they use now is kept, to switch back to."
            ),
            force=READERS_GO_BACK,
        )


def tally(comparison: Comparison) -> str:
    """How many records differ, as a sentence."""
    told = msgspec.structs.asdict(comparison)
    numbers = {name: f"{told[name]:,}" for name in ("records", "new", "gone", "changed")}
    return "of {records} records {gone} gone and {changed} changed, {new} new.".format(**numbers)


def _live(told: ProjectionStatus) -> GenerationStatus | None:
    return next((each for each in told.generations if each.role == "live"), None)


def _or_unknown(position: int | None) -> str:
    return "an unknown position" if position is None else f"position {position:,}"
