"""
How one generation takes another's place.

Every change is a pure function from what there is to how it shall be, which the store makes true in one step or not at
all. A crash can leave the new live pointer beside the old roster (the pointer is written first). `completed` ends
such a step: a generation beside the live one in the roster says which one it is to replace, or replaced.
"""

from collections.abc import Callable, Collection
from datetime import datetime, timedelta
from typing import Concatenate, Literal, ParamSpec, TypeAlias

import msgspec

from projector.store.generations import Building, Comparison, Kept, Leaving, Order, Roster, Survey
from shared.read_model.positions import Access, Pointer

Transition: TypeAlias = Callable[[Survey], Survey]
"""From what there is to how it shall be; generations that are built start out empty."""

Seen: TypeAlias = Collection[str] | None
"""Names of generations that were seen to be built, or kept, when a change was decided on; None if that is no matter."""
P = ParamSpec("P")


def transition(change: Callable[Concatenate[Survey, P], Survey]) -> Callable[P, Transition]:
    """Have a function say first what is wanted, and apply it to what there is once that is known."""
    return lambda *wanted, **how: lambda survey: change(survey, *wanted, **how)


class Refused(Exception):
    """A change of generations is not possible now; the message says why, and what would be."""


class RebuildUnderWay(Refused):
    """Another order is under way."""


class Overtaken(Refused):
    """
    A later change of layouts has said who may use the part.

    :ivar by: its number.
    """

    def __init__(self, change: int, *, by: int) -> None:
        super().__init__(f"change {change} of layouts was overtaken by change {by}")
        self.by = by


class NotReached(Refused):
    """Readers would be taken back."""


def applied(change: Transition, survey: Survey) -> Survey | None:
    """
    Return how it shall be; None if it is so already.

    :raises Refused: the change does, or would show something new of a part that is closed.
    """
    after = change(survey)
    if survey.access == after.access == "closed" and after.live != survey.live:
        raise Refused("readers go to another layout")
    return None if after == survey else after


def completed(live: Pointer | None, roster: Roster) -> Roster:
    """The roster as it was to be together with the live pointer."""
    if roster.building and roster.building.pointer == live:
        return _succeeded(roster, roster.building, at=roster.building.order.at)
    if roster.kept and roster.kept.pointer == live:
        return _swapped(roster, roster.kept, until=roster.kept.until)
    return roster


@transition
def begun(survey: Survey, pointer: Pointer, order: Order, *, target: int) -> Survey:
    """Begin to build a generation; one that waits for an order gets it instead, unless that is to wait again."""
    if building := survey.roster.building:
        return survey._replace(roster=_replaced(survey.roster, building=_ordered(building, order)))
    new = Building(pointer=pointer, order=order, target=target, replaces=survey.live)
    return survey._replace(roster=_replaced(survey.roster, building=new, declined=None))


@transition
def filling(survey: Survey, pointer: Pointer, order: Order, *, target: int) -> Survey:
    """Begin the first fill; one of another version that is not read yet gives way."""
    if survey.live or survey.is_filling(pointer.version):
        raise RebuildUnderWay("another projector started a first fill")
    building = Building(pointer=pointer, order=order, target=target)
    return survey._replace(roster=Roster(building=building, leaving=_all_left(survey.roster, at=order.at)))


@transition
def compared(survey: Survey, pointer: Pointer, comparison: Comparison, *, held: str | None) -> Survey:
    """Take down how a generation differs from the live one, and whether it has to wait for an order."""
    building = _building(survey, pointer)
    noted = _replaced(building, comparison=comparison, held=held)
    return survey._replace(roster=_replaced(survey.roster, building=noted))


@transition
def as_seen(survey: Survey, building: Building, change: Transition) -> Survey:
    """A change decided on what is being built; refused once that was ordered anew, or is to replace another."""
    if survey.roster.building != building:
        raise Refused(f"generation {building.pointer.generation} is not what it was when that was decided")
    return change(survey)


@transition
def still(survey: Survey, role: Literal["building", "kept"], seen: Seen, change: Transition) -> Survey:
    """A change that was decided on what was seen; refused once another generation, or none, is being built or kept."""
    found = {"building": survey.roster.building, "kept": survey.roster.kept}[role]
    if seen is None or (found.pointer.generation in seen if found else not seen):
        return change(survey)
    if found and not seen:
        raise Refused(f"generation {found.pointer.generation} is {_ROLES[role]} by now")
    what = f"generation {next(iter(seen))}" if len(seen) == 1 else "what was seen"
    raise Refused(f"{what} is not {_ROLES[role]} any more")


_ROLES = {"building": "being built", "kept": "kept"}


@transition
def readied(survey: Survey, pointer: Pointer) -> Survey:
    """Have a generation wait for the other parts of the projection; it is complete, and fed on."""
    building = _building(survey, pointer)
    _require_complete(survey, building)
    return survey._replace(roster=_replaced(survey.roster, building=_replaced(building, ready=True)))


@transition
def at_version(survey: Survey, version: int, *, force: bool = False, at: datetime) -> Survey:
    """
    Let readers use the generation of a version, as they do in the other parts of the projection.

    :param force: go back to a kept one even if that takes readers back.
    """
    building, kept = survey.roster.building, survey.roster.kept
    if survey.live and survey.live.version == version:
        return survey
    if building and building.ready and building.pointer.version == version and not survey.at(building.pointer).damaged:
        return switched(building.pointer, at=at)(survey)
    if kept and kept.pointer.version == version:
        return rolled_back(force=force, at=at)(survey)
    raise Refused(f"it has no generation of version {version}: rebuild it")


@transition
def alone(survey: Survey, projection: str, change: Transition) -> Survey:
    """A change of one part of a projection; refused if readers would have another version there than elsewhere."""
    live, roster, *_ = state = change(survey)
    if live and survey.live and live.version != survey.live.version:
        raise Refused(
            f"version {live.version} would be live in this part alone: `muster rebuild --rollback {projection}` goes"
            " back in all parts together"
        )
    if roster.building is None and survey.roster.building and survey.roster.building.ready:
        raise Refused(
            f"the other parts may go live with it at any time: `muster rebuild --abort {projection}` gives all up"
        )
    return state


@transition
def switched(survey: Survey, pointer: Pointer, *, at: datetime) -> Survey:
    """Let readers use the generation that was built; the one they used is kept."""
    building = _building(survey, pointer)
    _require_complete(survey, building)
    return survey._replace(live=pointer, roster=_succeeded(survey.roster, building, at=at))


@transition
def rolled_back(survey: Survey, *, force: bool, at: datetime) -> Survey:
    """Let readers use the generation again that was live before."""
    kept = survey.roster.kept
    if kept is None or survey.live is None:
        raise Refused("no former generation is kept: rebuild, if the live one is wrong")
    if not force:
        _require_reached(survey, kept.pointer)
    until = at + timedelta(seconds=kept.seconds)
    return survey._replace(live=kept.pointer, roster=_swapped(survey.roster, kept, until=until, forced=force))


@transition
def aborted(survey: Survey, *, is_dry: bool = False, at: datetime) -> Survey:
    """
    Give up the generation that is being built.

    :param is_dry: it was only to be looked at; not any more once an operator has ordered it to go on.
    """
    if (building := survey.roster.building) is None or survey.live is None:
        raise Refused("no rebuild is under way")
    if is_dry and not building.order.hold:
        raise Refused(f"{building.order.by} has ordered generation {building.pointer.generation} to go on")
    return survey._replace(roster=_replaced(_left(survey.roster, building.pointer, at=at), building=None))


@transition
def expired(survey: Survey, *, at: datetime) -> Survey:
    """Give up the generation that was kept long enough."""
    kept = survey.roster.kept
    if kept is None or kept.until > at:
        return survey
    return survey._replace(roster=_replaced(_left(survey.roster, kept.pointer, at=at), kept=None))


@transition
def given_up(survey: Survey, pointer: Pointer, *, at: datetime) -> Survey:
    """Have a generation leave that is not the live one, whatever it was there for."""
    roster = survey.roster
    if roster.kept and roster.kept.pointer == pointer:
        roster = _replaced(_left(roster, pointer, at=at), kept=None)
    elif roster.building and roster.building.pointer == pointer and survey.live:
        roster = _replaced(_left(roster, pointer, at=at), building=None)
    return survey._replace(roster=roster)


@transition
def used(survey: Survey, access: Access, *, left: int | None = None, change: int = 0) -> Survey:
    """Say who may use the part; see `positions.Live`."""
    _require_last(survey, change)
    return survey._replace(access=access, left=survey.left if left is None else left, change=change)


@transition
def vacated(survey: Survey, *, at: datetime, change: int = 0) -> Survey:
    """
    Give up all generations, and make no other.

    That this is so stays recorded, in a few bytes a part: a projector that has slept since then would take the part for
    a new one otherwise, and fill it, though nobody reads it, or drops it ever. `used` opens it again, if it is later.
    """
    _require_last(survey, change)
    beside = Roster(leaving=_all_left(survey.roster, at=at))
    left = _left(beside, survey.live, at=at) if survey.live else beside
    return survey._replace(live=None, roster=left, access="gone", change=change)


def _require_last(survey: Survey, change: int) -> None:
    """:raises Overtaken: the change was."""
    if change < survey.change:
        raise Overtaken(change, by=survey.change)


@transition
def declined(survey: Survey, pointer: Pointer, *, at: datetime) -> Survey:
    """Give up the generation that is being built, as the other parts of the projection have gone back from it."""
    _building(survey, pointer)
    left = _left(survey.roster, pointer, at=at)
    return survey._replace(roster=_replaced(left, building=None, declined=pointer.version))


@transition
def dropped(survey: Survey, pointer: Pointer) -> Survey:
    """Forget a generation whose keys are gone."""
    leaving = tuple(each for each in survey.roster.leaving if each.pointer != pointer)
    return survey._replace(roster=_replaced(survey.roster, leaving=leaving))


def _ordered(building: Building, order: Order) -> Building:
    by, since = building.order.by, building.order.at.isoformat(timespec="seconds")
    if building.held is None and not building.ready:
        raise RebuildUnderWay(f"{by} is at it, since {since}")
    if order.hold:
        state = "ready" if building.ready else "held"
        raise RebuildUnderWay(
            f"what {by} ordered at {since} is {state}, and a dry run would take its place: `muster status` tells why;"
            " abort it, or order the rebuild without a dry run to go on with it"
        )
    return _replaced(building, order=order, held=None)


def _building(survey: Survey, pointer: Pointer) -> Building:
    if (building := survey.roster.building) is None or building.pointer != pointer:
        raise Refused(f"generation {pointer.generation} is not being built any more")
    return building


def _require_complete(survey: Survey, building: Building) -> None:
    if survey.live and not building.order.force:
        _require_reached(survey, building.pointer)


def _require_reached(survey: Survey, pointer: Pointer) -> None:
    reached, live = survey.at(pointer).reached, survey.at(survey.live).reached
    if reached < live:
        raise NotReached(
            f"generation {pointer.generation} (version {pointer.version}) stands at {reached}, the live one at {live}:"
            " readers would be taken back"
        )


def _succeeded(roster: Roster, building: Building, *, at: datetime) -> Roster:
    """The roster once the generation that was built is live: what was kept before makes room."""
    left = _left(roster, roster.kept.pointer, at=at) if roster.kept else roster
    return _replaced(left, building=None, kept=_kept(building, at=at))


def _kept(building: Building, *, at: datetime) -> Kept | None:
    if building.replaces is None:
        return None
    seconds = building.order.keep_old
    until = at + timedelta(seconds=seconds)
    return Kept(
        pointer=building.replaces,
        until=until,
        seconds=seconds,
        replaced_by=building.pointer,
        comparison=building.comparison,
    )


def _swapped(roster: Roster, kept: Kept, *, until: datetime, forced: bool = False) -> Roster:
    """The roster once the generation that was kept is live again; what is being built is to be compared anew."""
    away = kept.replaced_by
    anew = {"comparison": None, "held": None, "ready": False}
    building = roster.building and _replaced(roster.building, replaces=kept.pointer, **anew)
    other = _replaced(kept, pointer=away, until=until, replaced_by=kept.pointer, comparison=None, forced=forced)
    return _replaced(roster, building=building, kept=other, declined=away.version)


def _left(roster: Roster, pointer: Pointer, *, at: datetime) -> Roster:
    return _replaced(roster, leaving=(*roster.leaving, Leaving(pointer=pointer, since=at)))


def _all_left(roster: Roster, *, at: datetime) -> tuple[Leaving, ...]:
    beside = (each.pointer for each in (roster.building, roster.kept) if each)
    return (*roster.leaving, *(Leaving(pointer=each, since=at) for each in beside))


_replaced = msgspec.structs.replace
