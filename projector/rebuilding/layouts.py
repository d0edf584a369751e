"""The layout reconciler: have readers go over to a layout once it is built, and drop the one that they have left."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

import structlog

from projector.store import transitions
from projector.store.errors import GenerationDamaged, Superseded
from projector.store.generations import KEEP_OLD_SECONDS, Survey
from projector.store.layouts import LayoutRecord
from projector.store.ports import ProjectionStore
from projector.store.transitions import Refused
from shared.clock import Clock
from shared.errors import Unavailable
from shared.read_model.layouts import LayoutRefused, Layouts
from shared.read_model.positions import Access
from shared.runtime.retry import poll, repeat
from shared.runtime.tasks import side_by_side

log = structlog.get_logger()

AT_ONCE = 16
"""Parts that are asked, or changed, at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LayoutLimits:
    """How layouts are changed, in seconds."""

    look: float = 3.0
    """From one look at what is recorded to the next."""
    building: float = 0.2
    """The same while a layout is built."""
    level: float = 1.0
    """For which nothing new is shown, so that the new layout comes as far as readers are; else it is tried again."""
    keep: float = KEEP_OLD_SECONDS
    """For which the layout before is fed on, so that one can go back to it."""


class NotLevel(Exception):
    """The layout that is built is not as far as readers are."""


class LayoutReconciler:
    """
    Takes the next step from the layouts that there are to those that shall be, and can be ended at any.

    Readers never go back: the parts that they leave are closed, so that nothing is shown any more that those which they
    go to do not have.

    :ivar confirmed: set once it is recorded that these layouts are to be fed; before, none is.
    """

    def __init__(
        self,
        record: LayoutRecord,
        layouts: Layouts,
        stores: Mapping[int, Sequence[ProjectionStore]],
        *,
        leads: Callable[[], bool],
        tell: Callable[[str], None],
        clock: Clock,
        limits: LayoutLimits | None = None,
    ) -> None:
        """
        :param layouts: those that are fed here.
        :param stores: of each layout, by its number of partitions; without what is at home, which all have together.
        :param leads: whether this projector is the one to change anything.
        :param tell: is told why nothing can be fed, as long as it is not known what is to be.
        """
        self.confirmed = asyncio.Event()
        self._record = record
        self._layouts = layouts
        self._stores = stores
        self._leads = leads
        self._tell = tell
        self._clock = clock
        self._limits = limits or LayoutLimits()
        self._marked = -1
        """The last change by which it was said that what is fed may be used."""

    async def run(self, outdated: asyncio.Event) -> None:
        """
        Reconcile until cancelled.

        :param outdated: to be set once other layouts are recorded: all that feeds is to be put together anew.
        """
        await repeat(partial(self._turn, outdated), after_error=self._note)

    async def _turn(self, outdated: asyncio.Event) -> None:
        await self._step(outdated)
        await asyncio.sleep(self._limits.building if self._layouts.building else self._limits.look)

    def _note(self, error: Exception) -> float:
        if not isinstance(error, Unavailable | Superseded | Refused | LayoutRefused | GenerationDamaged):
            raise error
        log.debug("layouts are not changed", error=str(error))
        if not self.confirmed.is_set():
            self._tell(str(error))
        return self._limits.look

    async def _step(self, outdated: asyncio.Event) -> None:
        layouts = await self._record.read() or await self._record.change(lambda now: now or self._layouts)
        if not layouts.are_as(self._layouts):
            outdated.set()
        else:
            self.confirmed.set()
            if self._leads():
                await self._advance(layouts)

    async def _advance(self, layouts: Layouts) -> None:
        """Take a step; where parts know of a later change than what is recorded, that was lost: begin behind it."""
        try:
            await self._go_on(layouts)
        except transitions.Overtaken as error:
            await self._change(layouts, layouts.numbered(error.by))

    async def _go_on(self, layouts: Layouts) -> None:
        if layouts.building:
            await self._switch(layouts, to=layouts.building)
            return
        if self._marked != layouts.switches:
            await self._mark(layouts, layouts.live, "open")
            await self._mark(layouts, layouts.kept, "open", left=layouts.switches)
            self._marked = layouts.switches
        if layouts.leaving:
            await self._for_each(layouts.leaving, partial(self._vacate, change=layouts.switches))
            await self._change(layouts, layouts.gone())
        elif layouts.until and layouts.until <= self._clock.now():
            await self._change(layouts, layouts.dropped())

    async def _switch(self, layouts: Layouts, *, to: int) -> None:
        """Go over once all is there; what ends in the middle is begun anew, or taken back."""
        try:
            if self._marked != layouts.switches:
                await self._mark(layouts, to, "open")
                self._marked = layouts.switches
            await self._level(layouts, to)
            await self._mark(layouts, layouts.live, "closed")
            await self._level(layouts, to)
        except (NotLevel, Superseded, Unavailable):
            await self._change(layouts, tried := layouts.numbered(layouts.switches + 1))
            await self._mark(tried, layouts.live, "open")
            return
        until = self._clock.now() + timedelta(seconds=self._limits.keep)
        await self._change(layouts, now := layouts.switched(until=until))
        await self._mark(now, now.kept, "open", left=now.switches)
        log.info("readers go over to another layout", partitions=to, former=layouts.live)

    async def _level(self, layouts: Layouts, to: int) -> None:
        """:raises NotLevel: a part is not as far as readers are in any part that they read now."""
        shown = max(each.at(each.live).reached for each in await self._surveys(layouts.live))

        async def require() -> None:
            for each in await self._surveys(to):
                if each.live is None or each.at(each.live).reached < shown:
                    raise NotLevel

        await poll(0.01, within=self._limits.level).call(require, on=(NotLevel,))

    async def _change(self, before: Layouts, after: Layouts) -> None:
        def change(now: Layouts | None) -> Layouts:
            if now != before:
                raise LayoutRefused("another change was recorded meanwhile")
            return after

        await self._record.change(change)

    async def _mark(self, by: Layouts, count: int | None, access: Access, *, left: int | None = None) -> None:
        """Say of all parts of a layout who may use them, by the last change that was recorded."""
        if count:
            await self._for_each(
                count, partial(_marked, change=transitions.used(access, left=left, change=by.switches))
            )

    async def _vacate(self, store: ProjectionStore, *, change: int) -> None:
        survey = await _changed(store, transitions.vacated(at=self._clock.now(), change=change))
        for each in survey.roster.leaving:
            await store.model.unlink(each.pointer)
            await _changed(store, transitions.dropped(each.pointer))

    async def _surveys(self, count: int) -> Sequence[Survey]:
        found: list[Survey] = []

        async def survey(store: ProjectionStore) -> None:
            found.append(await store.model.survey())

        await self._for_each(count, survey)
        return found

    async def _for_each(self, count: int, do: Callable[[ProjectionStore], Awaitable[None]]) -> None:
        await side_by_side([partial(do, each) for each in self._stores[count]], at_once=AT_ONCE)


async def _marked(store: ProjectionStore, *, change: transitions.Transition) -> None:
    await _changed(store, change)


async def _changed(store: ProjectionStore, change: transitions.Transition) -> Survey:
    """Make a change, also while commits are under way."""
    return await poll(0.002, within=1.0).call(lambda: store.model.transition(change), on=(Superseded,))
