"""The reconciler of a projection: feed each generation that this code can feed, and bring new ones about."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import timedelta
from time import perf_counter
from typing import TypeVar

from projector.processing.processor import Feed, Processor
from projector.processing.processors import Processors, roles
from projector.processing.progress import GenerationRole, ProjectionProgress, ProjectionState
from projector.processing.recovery import Recovery
from projector.rebuilding.comparison import Compare, OneComparison, reason_to_hold
from projector.rebuilding.orphans import OrphanedGenerations
from projector.rebuilding.parts import FOR_LATER, Parts
from projector.rebuilding.throttle import Throttle
from projector.store import transitions
from projector.store.errors import Superseded
from projector.store.generations import Building, Kept, Order, Survey
from projector.store.hints import frozen
from projector.store.ports import Lease, LeaseName
from projector.store.transitions import NotReached, Refused, Seen, Transition, still
from shared.errors import Unavailable, Unsound
from shared.read_model.positions import Pointer
from shared.runtime.retry import poll

T = TypeVar("T")

HOLD = poll(0.002, within=1.0)
"""While nothing new is shown to readers, so that a switch comes about however much is new: they wait for its end."""
STANDBY_SECONDS = 1.0
"""How soon a projector that stands by notices that it is Redis that is away."""


class VersionDiffers(Unsound):
    """The generation was made by another version of the projection: it is frozen."""


class Reconciler:
    """Take the next step from the generations of one projection to those that shall be, for ever."""

    def __init__(
        self,
        feed: Feed,
        *,
        compare: Compare,
        lease: Lease,
        ids: Callable[[], str],
        name: str,
        parts: Parts | None = None,
        rebuilds_by_itself: bool = False,
    ) -> None:
        """
        :param ids: makes the names of generations.
        :param name: of this projector, the one that began a rebuild.
        :param parts: all of the projection, if this is not all of it.
        :param rebuilds_by_itself: replace the live generation if an older version has made it.
        """
        self.store = feed.store
        self.projection = projection = feed.store.projection
        self.label = projection.label
        self._feed = feed
        self._clock = feed.clock
        self._lease = lease
        self._ids = ids
        self._name = name
        self._rebuilds_by_itself = rebuilds_by_itself
        self._orphaned = OrphanedGenerations(
            feed.leadership.lease, lease=lease, log=feed.log, interval=feed.limits.recheck
        )
        self._own = ProjectionProgress(projection.label, GenerationRole.RECONCILER)
        self._processors = Processors(self._processor_of)
        self._main: Pointer | None = None
        self._is_filled = False
        """Whether other parts may wait for this one: they do not at a first fill."""
        self._target = 0
        self._news = asyncio.Event()
        self._idle = feed.limits.idle(times=3)
        feed.leadership.follow(self.look_again)
        self._comparison = OneComparison(compare, when_done=self.look_again)
        self.parts = parts or Parts(projection.whole, clock=feed.clock)
        self.parts.join(self)

    @property
    def progress(self) -> ProjectionProgress:
        """Of the generation that readers use; of the reconciler itself, if there is none or something is amiss."""
        return self._own if self._own.error else self._processors.progress_of(self._main) or self._own

    @property
    def lease(self) -> LeaseName:
        """The lease by which the projection is fed."""
        return self._feed.leadership.lease

    def progress_of(self, pointer: Pointer) -> ProjectionProgress | None:
        """Of a generation, if it is fed here."""
        return self._processors.progress_of(pointer)

    async def run(self) -> None:
        """Reconcile while this process leads, until cancelled."""
        try:
            await Recovery(self._own, self._feed.limits).repeat(self._turn)
        finally:
            self._comparison.stop()
            await self._processors.run_for({})

    async def begin(self, order: Order, *, seen: Seen = None) -> Survey:
        """
        Begin a rebuild, or let one go on that waits for an order.

        :param seen: let only what was seen go on, and begin none; or begin one, as none was seen.
        :raises Refused: another order is under way, or another generation.
        """
        return await self.transition(still("building", seen, await self.begun(order)))

    async def begun(self, order: Order) -> Transition:
        """Return the change by which a rebuild begins."""
        pointer = Pointer(self._ids(), self.projection.version)
        ordered = await self.parts.ordered(self, order, pointer.version)
        return transitions.begun(pointer, ordered, target=await self._head())

    async def abort(self, *, seen: Seen = None, is_dry: bool = False) -> Survey:
        """
        Give up the rebuild that is under way.

        :param seen: give up only what was seen.
        :param is_dry: only as long as it is to stop after the comparison.
        :raises Refused: there is none or another one, the other parts count on it, or the dry run was ordered to go on.
        """
        change = transitions.aborted(is_dry=is_dry, at=self._clock.now())
        return await self.transition(still("building", seen, self.parts.alone(change)))

    async def roll_back(self, *, force: bool, seen: Seen = None) -> Survey:
        """
        Let readers use the generation again that was live before.

        :param seen: only what was seen to be kept.
        :raises Refused: none is kept or another one, or one of a version that would be live in this part alone, or
            readers would be taken back.
        """
        change = transitions.rolled_back(force=force, at=self._clock.now())
        return await self.transition(still("kept", seen, self.parts.alone(change)))

    async def survey(self) -> Survey:
        """:raises Unavailable: the generations that there are cannot be found out."""
        return await self.store.model.survey()

    async def follow(self) -> None:
        """
        Let readers use the version here that they use in the first part of the projection.

        :raises Refused, Superseded: that is not possible yet.
        """
        if change := await self._following(await self.survey()):
            await self.transition(change)

    async def _turn(self) -> None:
        self._news.clear()
        if not self._feed.leadership.is_held:
            self._comparison.stop()
            await self._processors.run_for({})
            self._feed.leadership.unused.set()
            await self._stand_by()
            return
        self._feed.leadership.unused.clear()
        since = perf_counter()
        survey = await self.store.model.survey()
        await self._processors.run_for(roles(survey, version=self.projection.version))
        self._processors.observe(survey, since=since)
        await self._report(survey)
        if not await self._step(survey):
            await self._rest()

    async def _stand_by(self) -> None:
        """:raises Unavailable: no projector can hold the lease."""
        if self._feed.leadership.trouble:
            raise Unavailable(self._feed.leadership.trouble)
        self._own.stand_by()
        with suppress(TimeoutError):
            async with asyncio.timeout(STANDBY_SECONDS):
                await self._feed.leadership.begun()

    async def _report(self, survey: Survey) -> None:
        self._main = main = survey.main
        self._is_filled = survey.live is not None
        self._target = survey.roster.building.target if survey.roster.building else 0
        if main is None or main.version == self.projection.version:
            self._own.start()
        elif (await self._lease.candidates([self.lease._replace(version=main.version)])).holders:
            self._own.stand_by()
        else:
            self._own.freeze(VersionDiffers(frozen(self.projection.name, main, self.projection.version)))

    async def _step(self, survey: Survey) -> bool:
        """Take the next step there is to take; return whether there was one."""
        change = await self._beginning(survey) or await self._erasing(survey) or await self._following(survey)
        if (change := change or await self._advance(survey) or await self._clearance(survey)) is None:
            return False
        try:
            now = await self.transition(change)
        except (Refused, Superseded):  # not yet, or another projector was faster
            return False
        if now.live != survey.live and self.parts.leads(self):
            await self.parts.follow()
        return True

    async def require(self, change: Transition) -> None:
        """
        Return if a change is possible now, also while there is always something new.

        :raises Refused: it is not.
        """

        async def attempt() -> None:
            change(await self.survey())

        await self._once_level(attempt)

    async def transition(self, change: Transition) -> Survey:
        """
        Make a change, also while there is always something new.

        :raises Refused, Superseded: it is not possible, or another was faster.
        """
        try:
            return await self._once_level(lambda: self.store.model.transition(change))
        finally:
            if self._is_filled:
                self.parts.look_again()
            self.look_again()

    async def _once_level(self, work: Callable[[], Awaitable[T]]) -> T:
        """Have the other generations come as far as the live one, to which nothing is written meanwhile."""
        try:
            return await work()
        except (NotReached, Superseded):
            with self._processors.held(self._main):
                return await HOLD.call(work, on=(NotReached, Superseded))

    async def _beginning(self, survey: Survey) -> Transition | None:
        """A first fill, if there is nothing; a rebuild, if this code is to replace what older code has made."""
        version = self.projection.version
        if survey.access == "gone":
            return None
        if survey.live is None and not survey.is_filling(version):
            return transitions.filling(Pointer(self._ids(), version), self._order(), target=await self._head())
        is_due = self._rebuilds_by_itself and survey.is_outdated(version)
        return await self.begun(self._order()) if is_due else None

    async def _erasing(self, survey: Survey) -> Transition | None:
        """Give up an orphaned generation that misses an erasure, or begin to replace it."""
        for pointer in await self._orphaned.missing_an_erasure(survey):
            if pointer != survey.live:
                return transitions.given_up(pointer, at=self._clock.now())
            if survey.roster.building is None:
                return await self.begun(self._order())
        return None

    async def _following(self, survey: Survey) -> Transition | None:
        """Go where the first part has gone; where that cannot be found out, stay."""
        if self.parts.leads(self):
            return None
        with suppress(*FOR_LATER):
            return await self.parts.following(survey)
        return None

    async def _advance(self, survey: Survey) -> Transition | None:
        """Return the next transition of the generation that is being built."""
        building = survey.roster.building
        if building is None or building.held or building.pointer.version != self.projection.version:
            self._comparison.stop()
            return None
        if survey.at(building.pointer).reached < building.target:
            return None
        change = await self._completed(building, survey.live)
        return change and transitions.as_seen(building, change)

    async def _completed(self, building: Building, live: Pointer | None) -> Transition | None:
        if live and building.comparison is None:
            return self._compared(building, live)
        if live and building.comparison and (why := reason_to_hold(building.comparison, building.order)):
            return transitions.compared(building.pointer, building.comparison, held=why)
        if live is None or live.version == building.pointer.version or not self.parts.are_several:
            return transitions.switched(building.pointer, at=self._clock.now())
        return await self._together(building)

    async def _together(self, building: Building) -> Transition | None:
        """Let another version go live with the other parts."""
        version = building.pointer.version
        if not building.ready:
            return transitions.readied(building.pointer)
        self._idle.reset()
        goes = self.parts.leads(self) and await self.parts.can_go(version)
        return transitions.at_version(version, at=self._clock.now()) if goes else None

    def _compared(self, building: Building, live: Pointer) -> Transition | None:
        if (comparison := self._comparison.of(live, building.pointer)) is None:
            return None
        return transitions.compared(building.pointer, comparison, held=reason_to_hold(comparison, building.order))

    async def _clearance(self, survey: Survey) -> Transition | None:
        """Make room: drop what was kept long enough, and what no reader can be reading any more."""
        now, kept = self._clock.now(), survey.roster.kept
        if kept and kept.until <= now and await self._may_expire(survey, kept):
            return transitions.expired(at=now)
        for each in survey.roster.leaving:
            if now - each.since >= timedelta(seconds=self._feed.limits.grace):
                await self.store.model.unlink(each.pointer)
                return transitions.dropped(each.pointer)
        return None

    async def _may_expire(self, survey: Survey, kept: Kept) -> bool:
        """Whether no part can go back to it any more: the first one gives up before the others."""
        if self.parts.leads(self) or (survey.live and survey.live.version == kept.pointer.version):
            return True
        with suppress(*FOR_LATER):
            return await self.parts.have_left(kept.pointer.version)
        return False

    def look_again(self) -> None:
        """Survey the store at once: something was changed."""
        self._idle.reset()
        self._news.set()

    async def _rest(self) -> None:
        """Until there is news, or for a while: ever longer ones, as long as there is none."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self._idle.next()):
                await self._news.wait()

    async def _head(self) -> int:
        async with self._feed.tap.connect() as follower:
            return await follower.head()

    def _processor_of(self, pointer: Pointer, role: GenerationRole) -> Processor:
        progress = ProjectionProgress(self.projection.label, role, pointer.generation)
        throttle = Throttle(lag=self._lag, answer=self._answer, limits=self._feed.limits.throttle)

        async def after_commit(seconds: float) -> None:
            if progress.role not in {GenerationRole.BUILDING, GenerationRole.FILLING}:
                return
            if progress.reached >= self._target:
                self.look_again()
            elif progress.role is GenerationRole.BUILDING and not self._is_stopped():
                await throttle.rest(seconds)

        return Processor(pointer, self._feed, progress=progress, after_commit=after_commit)

    def _is_stopped(self) -> bool:
        """Whether nothing new is shown until the generation that readers use is replaced."""
        live = self._processors.progress_of(self._main)
        return live is not None and live.state is ProjectionState.STOPPED

    def _lag(self) -> timedelta:
        live = self._processors.progress_of(self._main)
        return live.lag if live else timedelta()

    async def _answer(self) -> float:
        began = perf_counter()
        await self.store.model.survey()
        return perf_counter() - began

    def _order(self) -> Order:
        return Order(by=self._name, at=self._clock.now())
