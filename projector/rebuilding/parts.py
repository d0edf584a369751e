"""
All parts of a projection, where there are several partitions: readers have one version in all of them.

The first part decides. It goes to another version once all others could, and they follow it, each by its own leader and
at once by the process that saw the first one go: whichever of them dies, the others go on. Nothing else is agreed upon.
"""

from asyncio import gather
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Protocol

import msgspec

from projector.store import transitions
from projector.store.errors import Superseded
from projector.store.generations import Building, Order, Survey
from projector.store.transitions import Refused, Seen, Transition, still
from shared.clock import Clock
from shared.errors import Unavailable, Unsound
from shared.read_model.positions import Pointer

FOR_LATER = (Refused, Superseded, Unavailable, Unsound)
"""Reasons not to change another part, or go by what it says, that do not concern one's own."""


class Part(Protocol):
    """One part; its methods raise `Unavailable`."""

    label: str

    async def survey(self) -> Survey:
        """Return the generations that there are."""

    async def begun(self, order: Order) -> Transition:
        """Return the change by which a rebuild begins."""

    async def require(self, change: Transition) -> None:
        """:raises Refused: a change is not possible, though its generations were given some time."""

    async def transition(self, change: Transition) -> Survey:
        """:raises Refused, Superseded: see `ReadModel.transition`."""

    async def follow(self) -> None:
        """Go to the version of the first part, if this one is at another."""

    def look_again(self) -> None:
        """Take the next step at once: something was changed."""


class Parts:
    """The parts of one projection in their order: a single one where nothing is divided."""

    def __init__(self, projection: str, *, clock: Clock) -> None:
        self._projection = projection
        self._clock = clock
        self._parts: list[Part] = []

    @property
    def are_several(self) -> bool:
        return len(self._parts) > 1

    def join(self, part: Part) -> None:
        self._parts.append(part)

    def leads(self, part: Part) -> bool:
        """Whether the others follow a part."""
        return part is self._first

    def alone(self, change: Transition) -> Transition:
        """Return a change that an operator wants of one part: refused if it concerns all."""
        return transitions.alone(self._projection, change) if self.are_several else change

    def look_again(self) -> None:
        for each in self._parts:
            each.look_again()

    async def can_go(self, version: int) -> bool:
        """Whether all but the first part could go to a version now; not if one of them cannot be asked."""
        try:
            if all(each.has_ready(version) for each in (await _surveys(self._others)).values()):
                await self._require(transitions.at_version(version, at=self._clock.now()), of=self._others)
                return True
        except FOR_LATER:
            pass
        return False

    async def following(self, own: Survey) -> Transition | None:
        """Return what brings a part that does not lead to the version of the first one, if anything does."""
        waiting, kept = _waiting(own), own.roster.kept
        if own.live is None or not (waiting or (kept and kept.pointer.version != own.live.version)):
            return None
        first, now = await self._first.survey(), self._clock.now()
        if waiting and _has_gone_back(first, waiting):
            return transitions.declined(waiting.pointer, at=now)
        if first.live is None or first.live.version == own.live.version:
            return None
        was_forced = first.roster.kept is not None and first.roster.kept.forced
        return transitions.at_version(first.live.version, force=was_forced, at=now)

    async def ordered(self, part: Part, order: Order, version: int) -> Order:
        """Return an order of a part that tells from what the first part has gone back before: clocks may differ."""
        if not self.leads(part):
            with suppress(*FOR_LATER):
                return msgspec.structs.replace(order, after=_gone_back_from(await self._first.survey(), version))
        return order

    async def have_left(self, version: int) -> bool:
        """Whether the first part cannot go back to a version any more."""
        first = await self._first.survey()
        return version not in {each.version for each in first.fed}

    async def follow(self) -> None:
        """Have the others follow the first part now, also those that are led elsewhere; what fails their leaders do."""
        await gather(*map(_followed, self._others))

    async def begin(self, order: Order, *, seen: Seen = None) -> Mapping[str, Survey]:
        """
        Begin a rebuild of all parts, or let those go on that wait for an order.

        :param seen: let only what was seen go on, and begin none; or begin all, as none was seen.
        :raises Refused: another order is under way in a part, or another generation; or none of those waits.
        """
        there = await _surveys(self._parts)
        changes = {
            part: still("building", seen, await part.begun(order))
            for part, survey in there.items()
            if not seen or _waits(survey)
        }
        if not changes:
            raise Refused("nothing of what was seen waits for an order any more")
        for part, change in changes.items():
            _try(change, part, there[part])
        return {part.label: await part.transition(change) for part, change in changes.items()}

    async def abort(self, *, seen: Seen = None, is_dry: bool = False) -> Mapping[str, Survey]:
        """
        Give up the rebuilds of all parts: first that of the first one, without which no other goes anywhere.

        :param seen: give up only what was seen; nothing, if there is anything else.
        :param is_dry: only as long as they are to stop after the comparison.
        :raises Refused: none is under way, or what was built is going live.
        """
        there = await _surveys(self._parts)
        live = there[self._first].live
        _require_not_going_live(live, there.values())
        rebuilt = {part: survey for part, survey in there.items() if survey.is_rebuilt}
        if not rebuilt:
            raise Refused("no rebuild is under way")
        change = still("building", seen, transitions.aborted(is_dry=is_dry, at=self._clock.now()))
        for part, survey in rebuilt.items():
            _try(change, part, survey)
        aborted = {each.label: await self._abort(each, change) for each in rebuilt}
        if live and self._first not in rebuilt:  # it may have been begun, and have gone, meanwhile
            await self._first.transition(transitions.at_version(live.version, at=self._clock.now()))
        return aborted

    async def roll_back(self, *, force: bool, seen: Seen = None) -> Mapping[str, Survey]:
        """
        Let readers use the generations again that were live before.

        :param seen: only those that were seen to be kept.
        :raises Refused: a part keeps none or another one, or is being rebuilt, or readers would be taken back.
        """
        there, now = await _surveys(self._parts), self._clock.now()
        if (version := _former_version(there.values(), live=there[self._first].live)) is None:
            change = still("kept", seen, transitions.rolled_back(force=force, at=now))
            await self._require(change, of=self._parts)
            return {each.label: await each.transition(change) for each in self._parts}
        self._require_no_rebuild(there, version)
        change = still("kept", seen, transitions.at_version(version, force=force, at=now))
        await self._require(change, of=self._parts)
        await self._first.transition(change)
        await self.follow()
        return {part.label: survey for part, survey in (await _surveys(self._parts)).items()}

    async def _abort(self, part: Part, change: Transition) -> Survey:
        """Of the first part it may be too late; what has ended in another is no rebuild any more."""
        try:
            return await part.transition(change)
        except Refused:
            if self.leads(part):
                raise
            return await part.survey()

    @property
    def _first(self) -> Part:
        return self._parts[0]

    @property
    def _others(self) -> Sequence[Part]:
        return self._parts[1:]

    async def _require(self, change: Transition, *, of: Sequence[Part]) -> None:
        """:raises Refused: one of these parts cannot make a change, and which."""
        await gather(*(_require(each, change) for each in of))

    def _require_no_rebuild(self, there: Mapping[Part, Survey], version: int) -> None:
        """What is built in a part would be judged by what that has live, and may take the place of what is kept."""
        for part, survey in there.items():
            is_there = survey.live is not None and survey.live.version == version
            if survey.roster.building and not (is_there and _waiting(survey)):
                raise Refused(f"{part.label} is being rebuilt: `muster rebuild --abort {self._projection}` gives it up")


async def _surveys(of: Sequence[Part]) -> Mapping[Part, Survey]:
    return dict(zip(of, await gather(*(each.survey() for each in of)), strict=True))


def _require_not_going_live(live: Pointer | None, surveys: Iterable[Survey]) -> None:
    """:raises Refused: the first part has gone over to what waits in others."""
    if live and live.version in {each.pointer.version for each in map(_waiting, surveys) if each}:
        raise Refused(f"version {live.version} is going live in all parts: roll back then")


def _waiting(survey: Survey) -> Building | None:
    """Return the generation that waits for the other parts."""
    building = survey.roster.building
    return building if building and building.ready else None


def _waits(survey: Survey) -> bool:
    """Whether what is built waits, for an order or for the other parts."""
    building = survey.roster.building
    return building is not None and (building.held is not None or building.ready)


def _has_gone_back(first: Survey, waiting: Building) -> bool:
    """Whether the first part was at a version already, and has gone back since that was ordered."""
    return _gone_back_from(first, waiting.pointer.version) not in {None, waiting.order.after}


def _gone_back_from(first: Survey, version: int) -> str | None:
    """Return the generation of a version that the first part had live last, if it has gone back from it."""
    live, kept = first.live, first.roster.kept
    if live is None or live.version == version or kept is None or kept.pointer.version != version:
        return None
    return kept.pointer.generation


def _former_version(surveys: Iterable[Survey], *, live: Pointer | None) -> int | None:
    """Return the version to go back to, if what is kept was made by another than what is live."""
    kept = {each.roster.kept.pointer.version for each in surveys if each.roster.kept}
    return max(kept - {live.version}, default=None) if live else None


async def _require(part: Part, change: Transition) -> None:
    with _named(part):
        await part.require(change)


def _try(change: Transition, part: Part, survey: Survey) -> None:
    """:raises Refused: a part cannot make a change as it was surveyed, and which."""
    with _named(part):
        change(survey)


@contextmanager
def _named(part: Part) -> Iterator[None]:
    try:
        yield
    except Refused as error:
        raise type(error)(f"{part.label}: {error}") from error


async def _followed(part: Part) -> None:
    with suppress(*FOR_LATER):
        await part.follow()
