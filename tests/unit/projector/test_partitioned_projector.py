"""A projector that feeds all partitions from one reading of the log."""

import asyncio
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from unittest.mock import AsyncMock

import msgspec
import pytest

from projector.adapters.memory.checkpoints import MemoryCheckpoints
from projector.adapters.memory.store import MemoryStore
from projector.leadership.election import Leadership
from projector.main import projector_app
from projector.processing.commit_order import CommitOrder
from projector.processing.moving_on import CheckpointMover, Resting, Routed
from projector.processing.processor import Feed, Processor
from projector.processing.progress import GenerationRole, ProjectionProgress
from projector.projections.profiles import profiles
from projector.projections.registry import PROJECTIONS, layout_of
from projector.services import register_projector
from projector.store.ports import LeaseName
from shared.auth.setup import admit_everyone
from shared.event_log import LogIdentity
from shared.event_log.tap import EventTap
from shared.read_model.keys import HOME
from shared.read_model.layouts import Layouts
from shared.read_model.partitions import Partitions
from shared.read_model.positions import Checkpoint, Live, Pointer
from shared.runtime.retry import Backoff, poll
from shared.runtime.tasks import Tasks
from tests.support.apps import app_client
from tests.support.folding import at_once, cleanly_folded
from tests.support.patience import until_here
from tests.support.projectors import HASTE, Surroundings, store_in_memory
from tests.support.reading import CountedMemoryLog
from tests.unit.projector.test_one_reader import GatedModel
from tests.unit.projector.test_partitions import united, without_divided_entries

PARTITIONS = Partitions(3)


class HeldCheckpoints:
    """Checkpoints of which those of one partition lie on a server that does not answer while its gate is closed."""

    def __init__(self, places, *, nth):
        self._checkpoints = MemoryCheckpoints(places)
        self._nth = f".{nth}"
        self.gate = asyncio.Event()
        self.gate.set()

    @contextmanager
    def held(self):
        self.gate.clear()
        try:
            yield
        finally:
            self.gate.set()

    async def move(self, moves):
        held = [each for each in moves if each.label.endswith(self._nth)]
        async for each in self._checkpoints.move([each for each in moves if each not in held]):
            yield each
        if held:
            await self.gate.wait()
        async for each in self._checkpoints.move(held):
            yield each


class PartitionedProcess:
    """A projector of all partitions."""

    def __init__(self, projections=PROJECTIONS, *, beside=None):
        """:param beside: another one, of another release."""
        self.around = beside.around if beside else Surroundings(log=CountedMemoryLog())
        self.around.history.register(f"ada{len(self.around.history.events)}")
        self.around.append()
        self.layout = layout_of(projections, PARTITIONS)
        stores = {each.tag: MemoryStore(keyspace=each) for each in (HOME, *PARTITIONS.keyspaces)}
        self.contents = beside.contents if beside else stores
        self.places = {part.label: self.contents[keyspace.tag] for keyspace, part in self.layout.parts}
        self.stores = {part.label: store_in_memory(self.places[part.label], part) for _, part in self.layout.parts}
        self.checkpoints = HeldCheckpoints(self.places, nth=1)

    @asynccontextmanager
    async def running(self):
        async with app_client(projector_app, admit_everyone, self._register) as client:
            await self.reach()
            yield client

    def _register(self, registry, **more):
        around, routed = self.around, Routed(self.layout.route, self.checkpoints)
        given = {"log": around.log, "lease": around.lease, "clock": around.clock, "limits": HASTE, "routed": routed}
        given |= {"layouts": Layouts(live=PARTITIONS.count)}
        register_projector(registry, stores=list(self.stores.values()), **given | more)

    async def feed(self, label, *, tap, mover, tasks):
        """Start what feeds one part alone, and rests for long; gives the leadership by which it does."""
        store, leadership = self.stores[label], Leadership(LeaseName(label, 1))
        leadership.hold(held=True)
        feed = Feed(
            store=store,
            log=self.around.log,
            tap=tap,
            order=CommitOrder(),
            leadership=leadership,
            filler=None,  # it is filled
            clock=self.around.clock,
            limits=replace(HASTE, poll=60.0),
            mover=mover,
        )
        progress = ProjectionProgress(label, GenerationRole.LIVE)
        pointer = (await store.model.survey()).live
        processor = Processor(pointer, feed, progress=progress, after_commit=AsyncMock())
        tasks.start(processor.run(), name=label)
        return leadership

    async def reach(self, *, but=()):
        """Wait until all partitions, but some, say that all of the log has come to all documents that it concerns."""
        head = self.around.history.events[-1].position
        labels = self.places.keys() - set(but)

        await until_here(lambda: all((found := self.checkpoint(each)) and found.reached == head for each in labels))

    def checkpoint(self, label):
        """The checkpoint that readers see; none where there is nothing to be read."""
        keys = self.places[label].keyspace.projection(label.partition(".")[0])
        if (live := self.places[label].string(keys.live)) is None:
            return None
        if (pointer := msgspec.json.decode(live, type=Live).pointer) is None:
            return None
        generation = keys.generation(pointer.generation)
        return msgspec.json.decode(self.places[label].string(generation.checkpoint), type=Checkpoint)

    def held(self, name):
        """What the partitions of a projection hold, by the end of their keys."""
        for label, store in self.places.items():
            if label.startswith(f"{name}."):
                live = f"{store.keyspace.projection(name).live}"
                generation = msgspec.json.decode(store.string(live), type=Pointer).generation
                prefix = store.keyspace.projection(name).generation(generation).prefix
                yield {
                    key.removeprefix(prefix): value
                    for key, value in store.content.items()
                    if key.startswith(prefix) and isinstance(value, dict | set) and value
                }

    def live_through(self, nth):
        """Have something happen that concerns one partition, several, or all."""
        history = self.around.history
        person = history.register(f"h{nth}")
        group = history.create_group(f"g{nth}")
        history.add_member(group, person)
        history.change_handle(person, f"k{nth}")
        history.rename_group(group, f"Group {nth}")
        if nth % 3 == 0:
            history.delete_group(group)
        self.around.tell()


@pytest.fixture
def process():
    return PartitionedProcess()


async def test_all_partitions_together_have_what_happened(process):
    async with process.running():
        for nth in range(10):
            process.live_through(nth)
        await process.reach()

    events = process.around.history.events
    whole = at_once(cleanly_folded(events, profiles))
    assert united(process.held("profiles")) == without_divided_entries(whole, "profiles")


async def test_every_checkpoint_counts_the_whole_log(process):
    """Also one that nothing concerned: so that each notices when the log has become another one."""
    async with process.running():
        for nth in range(5):
            process.live_through(nth)
            await process.reach()

    last, count = process.around.history.events[-1], len(process.around.history.events)
    assert {
        (found.position, LogIdentity(found.event_id, found.count)) for found in map(process.checkpoint, process.places)
    } == {(last.position, LogIdentity(last.event_id, count))}


async def test_an_event_is_read_once_for_all_partitions(process):
    async with process.running():
        process.live_through(0)  # at first, each makes sure by itself where the log is
        await process.reach()
        before, given = len(process.around.history.events), process.around.log.counted.given
        for nth in range(1, 11):
            process.live_through(nth)
            await process.reach()

    assert process.around.log.counted.given - given == len(process.around.history.events) - before


async def test_all_partitions_share_a_session_to_begin_in(process):
    """Parts that are filled share one too, in which it is looked how far the log is, and readings."""
    async with process.running():
        pass

    assert process.around.log.counted.sessions <= len(process.places) + 3


async def test_a_slow_partition_holds_up_no_other(process):
    """And has everything in the end."""
    slow = process.stores["profiles.1"]
    gate = GatedModel(slow.model)
    process.stores["profiles.1"] = replace(slow, model=gate)
    async with process.running():
        gate.gate.clear()
        for nth in range(10):
            process.live_through(nth)
            await process.reach(but=["profiles.1"])

        gate.gate.set()
        await process.reach()


async def test_a_server_that_does_not_answer_holds_up_no_move_on_another(process):
    """Its own partitions go on where they are once it answers."""
    elsewhere = [each for each in process.places if each.endswith(".1")]
    async with process.running():
        with process.checkpoints.held():
            for nth in range(3):
                process.live_through(nth)
                await process.reach(but=elsewhere)
        await process.reach()


async def test_a_partition_that_was_written_by_another_goes_on_from_there(process):
    """As another projector does, which moved its checkpoint first."""
    async with process.running():
        [key] = [key for key in process.places["groups.2"].content if "groups" in key and key.endswith(":checkpoint")]
        found = process.checkpoint("groups.2")
        process.places["groups.2"].content[key] = msgspec.json.encode(found.revised())
        for nth in range(3):
            process.live_through(nth)
        await process.reach()


async def test_a_projector_that_comes_back_goes_on_where_each_partition_is(process):
    """Whatever happened meanwhile, an erasure too, of which no partition has anything left."""
    async with process.running():
        for nth in range(3):
            process.live_through(nth)
        person = process.around.history.register("eve", email="eve@secret.example")
        process.around.tell()
        await process.reach()

    process.around.history.change_handle(person, "evelyn")
    process.around.erase(person)
    process.live_through(3)
    async with process.running():
        process.live_through(4)
        await process.reach()

    whole = at_once(cleanly_folded(process.around.log.events, profiles))
    assert united(process.held("profiles")) == without_divided_entries(whole, "profiles")
    everything = repr([each.content for each in process.contents.values()])
    assert "h4" in everything
    assert "evelyn" not in everything
    assert "eve@secret" not in everything


async def test_a_checkpoint_is_not_moved_past_what_the_reader_has_passed_elsewhere():
    """As where it was looked for what is parked, while an event that was read before waits for its commit."""
    around = Surroundings()
    tap = EventTap(around.log, idle=lambda: Backoff(poll(60.0)), route=lambda each: [each.aggregate])
    async with tap.connect_to("group") as groups:
        around.history.create_group("board")
        around.append()
        [first] = await groups.read(after=0, limit=100)
        around.history.create_group("staff")
        around.history.register("ada")
        around.append()
        await groups.read(after=0, limit=100)
        stands = Checkpoint(position=first.position, event_id=first.event_id, count=1)
        given = {"may_go_on": lambda: True, "moved": lambda _: None}

        assert groups.passed
        assert Resting(label="groups.0", generation="g1", reader=groups, checkpoint=stands, **given).begin() is None


async def test_who_does_not_lead_any_more_moves_no_checkpoint(process):
    """Also while its processor rests, and has not been told yet."""
    async with process.running():
        pass
    person = process.around.history.register("bea")
    process.around.append()
    concerned = process.layout.route(process.around.log.events[-1])
    left, right = [each for each in process.places if each.startswith("profiles.") and each not in concerned]
    others = process.places.keys() - {left, right}
    tap = EventTap(process.around.log, idle=lambda: Backoff(poll(60.0)), route=process.layout.route)
    mover = CheckpointMover(process.checkpoints, tap=tap, order=CommitOrder())
    async with Tasks() as tasks:
        tasks.start(mover.run(), name="checkpoint mover")
        leads, led = [await process.feed(each, tap=tap, mover=mover, tasks=tasks) for each in (left, right)]
        process.around.history.change_handle(person, "cid")
        process.around.tell()
        await process.reach(but=others)
        led.hold(held=False)
        before = process.checkpoint(right)
        process.around.history.change_handle(person, "dan")
        process.around.tell()
        await process.reach(but=others | {right})

    assert leads.is_held
    assert process.checkpoint(right) == before
