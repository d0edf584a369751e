"""Parts of projections that are filled at the same time share a reading of the log, and nothing else."""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from projector.adapters.memory.store import MemoryStore
from projector.processing.filling import RangeOutcome
from projector.processing.limits import BreakerLimits
from projector.projections.registry import PROJECTIONS, layout_of
from projector.rebuilding.filling.fillers import Fillers
from projector.rebuilding.filling.log_filler import FillingLimits
from projector.store.errors import Superseded
from shared.errors import Unavailable
from shared.event_log import MemoryEventLog
from shared.event_log.adapters.memory import MemoryEventReader
from shared.read_model.partitions import Partitions
from shared.read_model.positions import Pointer
from tests.support.examples import examples
from tests.support.folding import at_once, begin, cleanly_folded, held
from tests.support.projectors import store_in_memory
from tests.unit.projector.random_histories import group_histories, histories
from tests.unit.projector.test_filling import full
from tests.unit.projector.test_partitions import united, without_divided_entries

logs = histories() | group_histories()


async def nothing():
    pass


class SharedFills:
    """First fills of all parts of all projections, from one log; `between` is done after each piece of work of one."""

    def __init__(self, log, *, count=3, elsewhere=None, places=None, **limits):
        self.log = MemoryEventLog()
        self.log.append(log)
        layout = layout_of(PROJECTIONS, Partitions(count))
        self.parts = {part.label: part for _, part in layout.parts if part.concerns}
        self.places = places or {label: MemoryStore() for label in self.parts}
        self.stores = {label: store_in_memory(self.places[label], part) for label, part in self.parts.items()}
        self.pointers = {label: Pointer("g1", part.version) for label, part in self.parts.items()}
        limits = FillingLimits(**{"gather": 0.0, "piece": 0.0, "note": 0.0} | limits)
        self.fillers = Fillers(
            [*self.stores.values()],
            self.log,
            elsewhere=elsewhere,
            route=layout.route,
            limits=limits,
            breaker=BreakerLimits(),
        )
        self.reported = dict.fromkeys(self.parts, 0)
        self.between = dict.fromkeys(self.parts, nothing)

    async def begin(self):
        """Start them all; gives their tasks by the labels of the parts."""
        for label, store in self.stores.items():
            await begin(store.model, self.parts[label])
        return {label: asyncio.create_task(self.fill(label)) for label in self.parts}

    async def fill(self, label):
        async def report(piece):
            self.reported[label] += piece.events
            await self.between[label]()

        return await self.fillers.of(self.stores[label]).fill(self.pointers[label], report=report)

    async def run(self):
        tasks = await self.begin()
        await asyncio.wait(tasks.values())
        return tasks

    def held(self, name):
        return [held(self.places[label].content, part) for label, part in self.parts.items() if part.name == name]


@pytest.fixture
def replays(monkeypatch):
    """How often the log was read."""
    begun, replay = [], MemoryEventReader.replay

    def counted(reader, **what):
        begun.append(what)
        return replay(reader, **what)

    monkeypatch.setattr(MemoryEventReader, "replay", counted)
    return begun


async def test_the_log_is_read_once_for_all_parts(replays):
    fills = SharedFills(full().events)

    tasks = await fills.run()

    assert {task.result() for task in tasks.values()} == {full().events[-1].position}
    assert len(replays) == 1


@given(log=logs, most=st.sampled_from([1_000_000, 9, 3]))
@settings(max_examples=examples(20))
def test_together_they_hold_what_one_fold_holds(log, most):
    """Byte for byte, however many readings and ranges it takes."""

    async def filled():
        fills = SharedFills(log, events=most)
        for task in (await fills.run()).values():
            task.result()
        return fills

    fills = asyncio.run(filled())

    for each in PROJECTIONS[:3]:
        assert united(fills.held(each.name)) == without_divided_entries(at_once(cleanly_folded(log, each)), each.name)


async def test_what_befalls_one_part_is_no_matter_of_the_others(replays):
    """Its store is away when it is written."""
    fills = SharedFills(full().events)
    tasks = await fills.begin()
    fills.places["profiles.1"].torn_after = 3

    await asyncio.wait(tasks.values())

    with pytest.raises(Unavailable):
        tasks.pop("profiles.1").result()
    assert {task.result() for task in tasks.values()} == {full().events[-1].position}
    assert len(replays) == 1
    fills.places["profiles.1"].torn_after = None
    assert await fills.fill("profiles.1") == full().events[-1].position
    whole = at_once(cleanly_folded(full().events, PROJECTIONS[0]))
    assert united(fills.held("profiles")) == without_divided_entries(whole, "profiles")


class Gated:
    """A reading that waits until it may end, and knows of which parts it is."""

    def __init__(self):
        self.begun, self.ended, self.may_end = [], [], asyncio.Event()

    async def fill(self, shares):
        self.begun.append(sorted(shares.orders))
        try:
            await self.may_end.wait()
            for label in shares.orders:
                shares.end(label, RangeOutcome())
        finally:
            self.ended.append(sorted(shares.orders))

    async def has_begun(self, times):
        while len(self.begun) < times:  # noqa: ASYNC110 - it is a count
            await asyncio.sleep(0)


async def test_as_many_readings_as_there_are_processes_share_the_parts():
    reading = Gated()
    fills = SharedFills(full().events, elsewhere=reading, here=0, processes=2)

    tasks = await fills.begin()
    await reading.has_begun(2)
    reading.may_end.set()
    await asyncio.wait(tasks.values())

    first, second = reading.begun
    assert sorted([*first, *second]) == sorted(fills.parts)
    assert abs(len(first) - len(second)) <= 1
    assert {each.result() for each in tasks.values()} == {full().events[-1].position}


async def test_a_reading_has_no_more_parts_than_fit_into_memory():
    """Each of three has a third of the log."""
    reading, events = Gated(), full().events
    reading.may_end.set()
    fills = SharedFills(events, elsewhere=reading, here=0, processes=1, events=-(-2 * len(events) // 3))

    await fills.run()

    assert {len(each) for each in reading.begun} == {2}


async def test_a_part_that_is_given_up_leaves_the_others_their_reading():
    reading = Gated()
    fills = SharedFills(full().events, elsewhere=reading, here=0, processes=1)
    tasks = await fills.begin()
    await reading.has_begun(1)

    given_up = tasks.pop("profiles.0")
    given_up.cancel()
    with pytest.raises(asyncio.CancelledError):
        await given_up

    assert not reading.ended
    reading.may_end.set()
    await asyncio.wait(tasks.values())
    assert {each.result() for each in tasks.values()} == {full().events[-1].position}


async def test_a_reading_that_no_part_wants_any_more_is_ended():
    """And waited for; what comes later is read for as ever."""
    reading = Gated()
    fills = SharedFills(full().events, elsewhere=reading, here=0, processes=1)
    tasks = await fills.begin()
    await reading.has_begun(1)

    for each in tasks.values():
        each.cancel()
    await asyncio.wait(tasks.values())

    assert reading.ended == reading.begun
    reading.may_end.set()
    assert await fills.fill("profiles.0") == full().events[-1].position


async def test_a_reading_that_fails_is_an_error_of_all_its_parts():
    class Failing:
        async def fill(self, shares):
            raise Unavailable("why")

    fills = SharedFills(full().events, elsewhere=Failing(), here=0)

    for task in (await fills.run()).values():
        with pytest.raises(Unavailable, match="why"):
            task.result()


async def test_a_part_that_another_projector_fills_by_now_is_left_to_that():
    """It writes nothing any more; the other parts are filled."""
    fills = SharedFills(full().events)
    other = SharedFills(full().events, places=fills.places)

    async def fill_too():
        fills.between["profiles.0"] = nothing
        await other.fill("profiles.0")

    fills.between["profiles.0"] = fill_too
    tasks = await fills.run()

    with pytest.raises(Superseded):
        tasks.pop("profiles.0").result()
    assert {each.result() for each in tasks.values()} == {full().events[-1].position}
    whole = at_once(cleanly_folded(full().events, PROJECTIONS[0]))
    assert united(fills.held("profiles")) == without_divided_entries(whole, "profiles")


async def test_each_part_is_told_of_its_own_events():
    fills = SharedFills(full().events)

    await fills.run()

    for label, part in fills.parts.items():
        assert fills.reported[label] == sum(map(part.concerns, full().events))
