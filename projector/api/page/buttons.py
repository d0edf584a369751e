"""What an operator may order, as buttons that say what will happen; they are asked before anything is sent."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from projector.api.page.figures import tally
from projector.monitoring.answers import GenerationStatus, PartStatus, RebuildStatus
from projector.monitoring.deliveries import GivenUpDelivery
from projector.monitoring.deliveries import path_of as path_of_a_delivery
from projector.monitoring.status_history import StatusSnapshot
from projector.parked.answers import ParkedDocument, path_of
from projector.rebuilding.comparison import reason_to_hold
from projector.store.generations import KEEP_OLD_SECONDS, Comparison, Order

Field = Literal["by", "hold", "force", "reason"]
"""What an operator is asked besides; fields.html has a field for each."""

READERS_GO_BACK = "Even if readers are taken back to an earlier state"
RECORDS_GO = "Even though so many records would be gone"
KEPT = f"kept for {round(KEEP_OLD_SECONDS / 60)} minutes, to switch back to"


@dataclass(frozen=True, kw_only=True)
class Button:
    """
    A request that can be made.

    :param id: of the button, so that the focus finds it again.
    :param place: the id of what it stands under: a projection or a part, or a section.
    :param action: the last part of `path`, as the button's text.
    :param what: is acted on.
    :param consequence: what will happen.
    :param force: what must be confirmed apart; without it, it cannot be forced.
    :param said: what the request says of what the page shows, so that it does nothing else, however late it comes.
    """

    id: str
    place: str
    path: str
    action: str
    what: str
    consequence: str
    fields: Sequence[Field] = ()
    force: str = ""
    said: Mapping[str, str | int] = field(default_factory=dict)

    @property
    def label(self) -> str:
        return f"{self.action} {self.what}"

    @property
    def asked_for(self) -> Sequence[str]:
        """Name the fields that are shown before the request is sent."""
        return (*self.fields, *(["force"] if self.force else []))


def button_of(snapshot: StatusSnapshot, id: str) -> Button | None:
    """Return a button that the page has at that time."""
    return next((each for each in _buttons(snapshot) if each.id == id), None)


def _buttons(snapshot: StatusSnapshot) -> Iterator[Button]:
    for part in snapshot.status.parts:
        yield from buttons_of_a_part(part)
    for document in snapshot.parked.parked if snapshot.parked else ():
        yield from buttons_of_a_document(document)
    for delivery in snapshot.deliveries.deliveries if snapshot.deliveries else ():
        yield button_of_a_delivery(delivery)


def buttons_of_a_document(document: ParkedDocument) -> Sequence[Button]:
    """Return what can be done with a document that is behind."""
    path = path_of(document.projection, document.id)
    name = f"parked-{document.projection}-{document.kind}-{document.id}"
    what = f"{document.kind} {document.id} in {document.projection}"
    retry = Button(
        id=f"{name}-retry",
        place="parked",
        path=f"{path}/retry",
        action="Retry",
        what=what,
        consequence="All that keeps the document waiting is tried again, by the code that runs now.",
    )
    skip = Button(
        id=f"{name}-skip",
        place="parked",
        path=f"{path}/skip",
        action="Skip",
        what=f"an event of {what}",
        consequence=(
            f"The event at position {document.waiting[0]:,} will have no effect on any document of"
            f" {document.projection}, for good. What waits behind it is tried."
        ),
        fields=("reason", "by"),
        said={"position": document.waiting[0]},
    )
    return retry, skip


def button_of_a_delivery(delivery: GivenUpDelivery) -> Button:
    """Return what can be done with a delivery that was given up."""
    return Button(
        id=f"deliveries-{delivery.id}-retry",
        place="deliveries",
        path=f"{path_of_a_delivery(delivery)}/retry",
        action="Retry",
        what=f"delivery {delivery.id}",
        consequence=f"It is tried at once: {delivery.reaction} for account {delivery.account_id}, if still needed.",
    )


def buttons_of_a_part(status: PartStatus) -> Iterator[Button]:
    """Yield what can be done with a projection, or a part, now: nothing as long as none of its generations is live."""
    live = next((each for each in status.generations if each.role == "live"), None)
    if live is None:
        return
    if status.rebuild is None:
        yield _rebuild(status.name, live)
    elif status.rebuild.held:
        yield _switch(status.name, status.rebuild, live)
    if status.rebuild:
        yield _abort(status.name, status.rebuild, live)
    yield from (_roll_back(status.name, each) for each in status.generations if each.role == "kept")


def _rebuild(name: str, live: GenerationStatus) -> Button:
    consequence = (
        f"The records are made anew from the event log, beside generation {live.name}, which is read meanwhile. Then"
        f" both are compared, and readers use the new one. The old one is {KEPT}."
    )
    return _button(name, "rebuild", "Rebuild", name, consequence, fields=("hold", "by"))


def _switch(name: str, rebuild: RebuildStatus, live: GenerationStatus) -> Button:
    comparison = rebuild.comparison or Comparison(records=0)
    exceeds = reason_to_hold(comparison, Order(by=rebuild.by, at=rebuild.since))
    consequence = (
        f"Readers use generation {rebuild.generation} from then on: {tally(comparison)} Generation {live.name} is"
        f" {KEPT}."
    )
    force = RECORDS_GO if exceeds else ""
    said = {"generation": rebuild.generation}
    return _button(name, "rebuild", "Switch", name, consequence, fields=("by",), force=force, said=said)


def _abort(name: str, rebuild: RebuildStatus, live: GenerationStatus) -> Button:
    consequence = (
        f"Generation {rebuild.generation} is dropped, with all that was done for it. Generation {live.name}, which is"
        " read, stays as it is."
    )
    said = {"generation": rebuild.generation}
    return _button(name, "abort", "Abort", f"the rebuild of {name}", consequence, said=said)


def _roll_back(name: str, kept: GenerationStatus) -> Button:
    where = "an unknown position" if kept.checkpoint is None else f"position {kept.checkpoint:,}"
    consequence = (
        f"Readers use generation {kept.name} again, which stands at {where}. The one they use now is kept, to switch"
        " back to."
    )
    said = {"generation": kept.name}
    return _button(name, "rollback", "Roll back", name, consequence, force=READERS_GO_BACK, said=said)


def _button(
    name: str,
    order: str,
    action: str,
    what: str,
    consequence: str,
    *,
    fields: Sequence[Field] = (),
    force: str = "",
    said: Mapping[str, str | int] | None = None,
) -> Button:
    """A button of a projection; it is called by its action in one word."""
    return Button(
        id=f"{name}-{action.replace(' ', '').lower()}",
        place=name,
        path=f"/projections/{name}/{order}",
        action=action,
        what=what,
        consequence=consequence,
        fields=fields,
        force=force,
        said=said or {},
    )
