"""Readers of layouts that are changed: whatever happens in between, none fails, and none goes back."""

import asyncio
import itertools
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from random import Random
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from projector.adapters.memory.checkpoints import MemoryCheckpoints
from projector.adapters.memory.layouts import MemoryLayoutRecord
from projector.adapters.memory.store import MemoryStore
from projector.cli.layout import _rolled_back
from projector.folding.batch import Batch
from projector.projections.profiles import profiles
from projector.projections.registry import layout_of
from projector.rebuilding.layouts import LayoutLimits, LayoutReconciler
from projector.store import transitions
from projector.store.errors import Superseded
from projector.store.generations import Order
from projector.store.ports import Move
from shared.read_model.keys import HOME
from shared.read_model.layouts import LayoutRefused, Layouts, recorded
from shared.read_model.partitions import Partitions
from shared.read_model.positions import Live, Pointer
from tests.support.clock import SettableClock
from tests.support.patience import until_here
from tests.support.projectors import store_in_memory

EPOCH = datetime.fromtimestamp(0, UTC)
HASTE = LayoutLimits(look=0.001, building=0.001, level=0.02)
RECORDS = 5
"""Each in one part of every layout."""


class Killed(Exception):
    """A projector has ended in the middle."""


class Interrupted:
    """A read model of which others make something before each step."""

    def __init__(self, model, before):
        self._model = model
        self._before = before

    def __getattr__(self, name):
        async def step(*arguments, **named):
            await self._before()
            return await getattr(self._model, name)(*arguments, **named)

        return step


class World:
    """Parts of one projection in several layouts, what writes to them, and readers of all records."""

    def __init__(self, random):
        self.random = random
        self.head = 1
        self.clock = SettableClock()
        self.home = MemoryStore()
        self.places, self.stores, self.believed = {}, {}, {}
        self.shown = [dict.fromkeys(range(RECORDS), 0) for _ in range(2)]
        self.left = 0
        """Steps until a projector is killed; 0 for never."""
        self.names = itertools.count()
        self.projectors = {}
        """Of each projector what it was put together as."""
        self.is_asleep = False
        self.known = [(1, 0), (1, 0)]
        """The layouts that each of the readers takes to be the one."""
        self.record = MemoryLayoutRecord(self.home)

    async def begin(self, count):
        """Have a layout filled, as reconcilers do that find nothing."""
        parts = [pair for pair in layout_of([profiles], Partitions(count)).parts if pair[1].name == "profiles"]
        self.stores[count] = []
        for nth, (keyspace, part) in enumerate(parts):
            self.places[count, nth] = place = self.home if keyspace == HOME else MemoryStore(keyspace=keyspace)
            self.stores[count].append(store_in_memory(place, part))

    async def fill(self, count, nth):
        """Take the next step that the reconciler of a part takes: it begins a first fill, and ends it."""
        model, survey = self.stores[count][nth].model, await self.stores[count][nth].model.survey()
        if survey.access == "gone" or survey.live:
            return
        building = survey.roster.building
        pointer = building.pointer if building else Pointer(f"g{next(self.names)}", 1)
        if survey.roster.building is None:
            order = Order(by="a test", at=self.clock.now())
            await model.transition(transitions.filling(pointer, order, target=self.head))
        await self.feed(count, nth, by=self.head)
        with suppress(transitions.Refused):
            await model.transition(transitions.switched(pointer, at=self.clock.now()))

    async def feed(self, count, nth, *, by=1, stale=False):
        """Commit; or move the checkpoint, by what was believed before, if the projector has slept meanwhile."""
        store, survey = self.stores[count][nth], await self.stores[count][nth].model.survey()
        now = survey.main, survey.at(survey.main).checkpoint
        pointer, before = self.believed.get((count, nth), now) if stale else now
        if survey.access != "closed":  # or a processor does not take it for where it stands
            self.believed[count, nth] = now
        if before is None:
            return
        after = before.revised(position=min(self.head, before.position + by), event_id=UUID(int=0), count=self.head)
        if stale:
            checkpoints = MemoryCheckpoints({store.projection.label: self.places[count, nth]})
            [_ async for _ in checkpoints.move([Move(store.projection.label, pointer.generation, before, after)])]
            return
        with suppress(Superseded):
            async with store.model.commit(pointer.generation, expected=before) as commit:
                await commit.apply(Batch(checkpoint=after))

    def read(self, reader):
        """Read every record, each in one step; where a part was left, look at home, and there once more."""
        for record in range(RECORDS):
            if (position := self._position(record, *self.known[reader])) is None:
                layouts = recorded(self.home.string(HOME.partitions), None)
                self.known[reader] = (layouts.live, layouts.switches)
                position = self._position(record, *self.known[reader])
            assert position is not None, "a reader has failed"
            assert position >= self.shown[reader][record], "a reader has gone back"
            self.shown[reader][record] = position

    def _position(self, record, count, switches):
        place = self.places[count, record % count]
        live = msgspec.json.decode(
            place.string(place.keyspace.projection("profiles").live) or b"null", type=Live | None
        )
        if not live or live.left > switches or live.pointer is None:
            return None
        keys = place.keyspace.projection("profiles").generation(live.generation)
        return msgspec.json.decode(place.string(keys.checkpoint))["position"]

    async def interrupt(self):
        """Let anything happen, and perhaps end there."""
        self.left -= 1
        if not self.left:
            raise Killed
        if not self.is_asleep and self.random.random() < 0.1:
            await self.sleep()
        for _ in range(self.random.choice([0, 0, 1, 2])):
            count = self.random.choice(sorted(self.stores))
            self.head += 1
            await self.feed(count, self.random.randrange(count), by=3, stale=self.random.random() < 0.5)
            self.read(self.random.choice([0, 1]))
        if self.random.random() < 0.5:
            await self.feed_all(self.stores)

    async def sleep(self):
        """Have another projector take over, of which the one that sleeps hears nothing when it wakes up."""
        self.is_asleep, left = True, self.left
        for _ in range(self.random.randint(1, 6)):
            with suppress(LayoutRefused):
                await self.record.change(self.random.choice(CHANGES))
            await self.reconcile(name="the other", interrupted=self.random.random() < 0.5)
        self.is_asleep, self.left = False, left

    async def feed_all(self, counts):
        for count in counts:
            for nth in range(count):
                await self.feed(count, nth, by=self.head)

    async def reconcile(self, *, interrupted=True, name="the first"):
        """Take one step, as a projector does that was put together for what is recorded."""
        if interrupted:
            self.left = self.random.choice([0, 0, 0, self.random.randint(1, 25)])
        layouts = await self.record.read()
        for count in (layouts.live, *layouts.beside):
            for nth in range(count):
                await self.fill(count, nth)
        await self.feed_all(self.stores)
        stores = self.stores if not interrupted else {count: self._in_danger(own) for count, own in self.stores.items()}
        try:
            with suppress(transitions.Refused, Superseded, LayoutRefused):
                await self._projector(name, layouts, stores)._advance(layouts)
        except Killed:
            del self.projectors[name]

    def _projector(self, name, layouts, stores):
        """Return one that was put together for these layouts."""
        found, of = self.projectors.get(name, (None, None))
        if of != layouts:
            given = {"leads": lambda: True, "tell": print, "clock": self.clock, "limits": HASTE}
            found = LayoutReconciler(self.record, layouts, stores, **given)
            self.projectors[name] = found, layouts
        found._stores = stores
        return found

    def _in_danger(self, stores):
        return [replace(each, model=Interrupted(each.model, self.interrupt)) for each in stores]

    async def surveys(self, *counts):
        return [await each.model.survey() for count in counts for each in self.stores[count]]

    async def reach(self, wanted):
        """Reconcile in peace until it is so."""
        for _ in range(20):
            if msgspec.structs.replace(await self.record.read(), until=None, switches=0) == wanted:
                return
            await self.reconcile(interrupted=False)
        raise AssertionError(f"{await self.record.read()} is not {wanted}")


CHANGES = [
    lambda now: now,
    lambda now: now.dropped(),
    lambda now: now.begun(1, at=EPOCH),
    lambda now: now.begun(3, at=EPOCH),
]


async def world_of(random):
    world = World(random)
    await world.begin(1)
    await world.begin(3)
    await world.record.change(lambda _: Layouts(live=1))
    await world.reconcile(interrupted=False)
    return world


@given(st.integers(0, 2**32))
def test_no_reader_fails_or_goes_back(seed):
    """While it is gone over to another layout and back, which is dropped and built anew, and projectors are killed."""

    async def play():
        world = await world_of(random := Random(seed))
        for _ in range(random.randint(4, 9)):
            change = random.choice([1, 3, None, "drop"])
            with suppress(LayoutRefused):
                if change == "drop":
                    await world.record.change(lambda now: now.dropped())
                elif change:
                    await world.record.change(lambda now, to=change: now.begun(to, at=EPOCH))
            await world.reconcile()
            world.read(0)
            world.read(1)
        layouts = await world.record.read()
        other = {1: 3, 3: 1}[layouts.live]
        if not layouts.building:
            await world.reach(msgspec.structs.replace(layouts, until=None, leaving=None, switches=0))
            await world.record.change(lambda now: now.begun(other, at=EPOCH))
        await world.reach(Layouts(live=other, kept=layouts.live))
        world.read(0)
        world.read(1)
        world.head += 1
        await world.feed_all(world.stores)
        assert {each.at(each.live).reached for each in await world.surveys(1, 3)} == {world.head}

    asyncio.run(play())


async def test_a_switch_whose_record_was_lost_is_made_again():
    """The node of home was replaced by one that was behind: the parts know that they were left, and by which switch."""
    world = await world_of(Random(0))
    lost = await world.record.change(lambda now: now.begun(3, at=EPOCH))
    await world.reach(Layouts(live=3, kept=1))

    await world.record.change(lambda _: lost)

    await world.reach(Layouts(live=3, kept=1))
    world.read(0)


async def test_a_number_alone_is_gone_on_with_that_was_recorded_since():
    """By hand, for a release that knows of no changes: the parts know how many there were."""
    world = await world_of(Random(0))
    for other, now in ((3, 1), (1, 3)):
        await world.record.change(lambda layouts, to=other: layouts.begun(to, at=EPOCH))
        await world.reach(Layouts(live=other, kept=now))
    await world.record.change(lambda layouts: layouts.dropped())
    await world.reach(Layouts(live=1))

    world.home.content[HOME.partitions] = b"1"
    await world.reconcile(interrupted=False)

    assert (await world.record.read()).switches > 0
    world.read(0)


async def test_nothing_is_fed_before_it_is_known_what_is_to_be():
    """It is said why; and what is recorded then may be something else."""
    home, told, outdated = MemoryStore(available=False), [], asyncio.Event()
    record, given = MemoryLayoutRecord(home), {"leads": lambda: True, "clock": SettableClock(), "limits": HASTE}
    reconciler = LayoutReconciler(record, Layouts(live=1), {1: []}, tell=told.append, **given)
    running = asyncio.create_task(reconciler.run(outdated))
    await until_here(lambda: told)
    was_confirmed = reconciler.confirmed.is_set()
    home.available = True
    await reconciler.confirmed.wait()
    await record.change(lambda now: now.begun(3, at=EPOCH))
    await outdated.wait()
    running.cancel()

    assert (was_confirmed, set(told)) == (False, {"the store in memory was made unavailable"})


@pytest.mark.parametrize(
    ("layouts", "why"),
    [(Layouts(live=3), "no former layout is kept"), (Layouts(live=12, building=3), "a layout of 3 is being built")],
)
def test_what_cannot_be_gone_back_to_is_said(layouts, why):
    """While it is gone back, that it is."""
    with pytest.raises(LayoutRefused, match=why):
        _rolled_back(layouts, at=EPOCH)


def test_each_layout_is_said_in_a_line():
    """As `muster layout`, `muster status` and the ops page show them."""
    until = datetime(2026, 12, 1, 5, 1, 12, tzinfo=UTC)

    assert list(Layouts(live=1, kept=12, until=until).lines) == [
        "layout of 1 partition: readers use it",
        "layout of 12 partitions: kept until 2026-12-01 05:01:12Z",
    ]
