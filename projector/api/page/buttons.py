"""What an operator may order, as buttons that say what will happen; they are asked before anything is sent."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Literal, TypeAlias

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
Said: TypeAlias = str | int | Sequence[str]
"""What a request says of what the page shows."""

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
    said: Mapping[str, Said] = field(default_factory=dict)

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
    wholes = [each for each in snapshot.status.projections if each.parts]
    for each in chain(wholes, snapshot.status.parts):
        yield from buttons_of(each)
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


def buttons_of(status: PartStatus) -> Iterator[Button]:
    """
    Yield what can be done with a projection now, with all its parts together or with one of them.

    Nothing as long as none of the generations is live, in any of the parts.
    """
    live, kept = _generations(status, "live"), _generations(status, "kept")
    if len(live) < len(status.each_part):
        return
    if status.rebuild is None:
        yield _rebuild(status.name, live)
    elif status.rebuild.held:
        yield _switch(status)
    if status.rebuild:
        yield _abort(status, live)
    if len(kept) == len(status.each_part):
        yield _roll_back(status.name, kept)


def _generations(status: PartStatus, role: str) -> Sequence[GenerationStatus]:
    return [each for part in status.each_part for each in part.generations if each.role == role]


def _rebuilds(status: PartStatus) -> Sequence[RebuildStatus]:
    return [part.rebuild for part in status.each_part if part.rebuild]


def _called(names: Sequence[str]) -> str:
    return f"generation {names[0]}" if len(names) == 1 else f"the generations of {len(names)} parts"


def _names(generations: Sequence[GenerationStatus]) -> Sequence[str]:
    return [each.name for each in generations]


def _rebuild(name: str, live: Sequence[GenerationStatus]) -> Button:
    consequence = (
        f"The records are made anew from the event log, beside {_called(_names(live))}, which readers use meanwhile."
        f" Then both are compared, and readers use what is new. What they use now is {KEPT}."
    )
    said = {"generations": ()}
    return _button(name, "rebuild", "Rebuild", name, consequence, fields=("hold", "by"), said=said)


def _switch(status: PartStatus) -> Button:
    rebuilds = _rebuilds(status)
    names = [each.generation for each in rebuilds]
    comparison = (status.rebuild and status.rebuild.comparison) or Comparison(records=0)
    consequence = f"Readers use {_called(names)} from then on: {tally(comparison)} What they use now is {KEPT}."
    force = RECORDS_GO if any(map(_exceeds, rebuilds)) else ""
    said = {"generations": names}
    return _button(status.name, "rebuild", "Switch", status.name, consequence, fields=("by",), force=force, said=said)


def _exceeds(rebuild: RebuildStatus) -> bool:
    """Whether more of a part's records would be gone than may without being confirmed."""
    order = Order(by=rebuild.by, at=rebuild.since)
    return rebuild.comparison is not None and reason_to_hold(rebuild.comparison, order) is not None


def _abort(status: PartStatus, live: Sequence[GenerationStatus]) -> Button:
    names = [each.generation for each in _rebuilds(status)]
    consequence = (
        f"All that was done for {_called(names)} is dropped. What readers use, {_called(_names(live))}, stays as it is."
    )
    what, said = f"the rebuild of {status.name}", {"generations": names}
    return _button(status.name, "abort", "Abort", what, consequence, said=said)


def _roll_back(name: str, kept: Sequence[GenerationStatus]) -> Button:
    reached = [each.checkpoint for each in kept if each.checkpoint is not None]
    where = f"position {min(reached):,}" if len(reached) == len(kept) else "an unknown position"
    version = min(each.version for each in kept)
    consequence = (
        f"Readers use {_called(_names(kept))} again, of version {version}, at {where}. What they use now is kept, to"
        " switch back to."
    )
    said = {"generations": _names(kept)}
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
    said: Mapping[str, Said] | None = None,
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
