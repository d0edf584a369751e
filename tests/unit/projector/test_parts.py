"""The parts of a projection go to another version together, and back."""

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import msgspec
import pytest

from projector.adapters.memory.checkpoints import MemoryCheckpoints
from projector.adapters.memory.leases import MemoryLease
from projector.adapters.memory.store import MemoryStore
from projector.declaring.partitioning import divided
from projector.processing.commit_order import CommitOrder
from projector.processing.moving_on import CheckpointMover
from projector.projections.profiles import profiles
from projector.rebuilding.parts import Parts
from projector.rebuilding.reconciler import Reconciler
from projector.store import transitions
from projector.store.generations import Comparison, Order
from projector.store.transitions import NotReached, Refused
from shared.errors import Unavailable
from shared.event_log.tap import EventTap
from shared.read_model.partitions import Partitions
from shared.read_model.positions import Pointer
from shared.runtime.tasks import Tasks
from tests.support.folding import ORDER, at_once
from tests.support.patience import until_here
from tests.support.projections import newer
from tests.support.projectors import HASTE, Surroundings, projector_with, running, store_in_memory
from tests.unit.projector.test_one_reader import GatedModel

THREE = Partitions(3)
V1, V2 = profiles.version, profiles.version + 1
ALL_AT_V1, ALL_AT_V2 = (V1,) * 3, (V2,) * 3
OLD, NEW = (divided(each, THREE) for each in (profiles, newer(profiles)))
PARTS = ["profiles.0", "profiles.1", "profiles.2"]


class WitnessedModel:
    """A read model after each of whose changes it is noted which versions are live."""

    def __init__(self, model, witness):
        self._model, self._witness = model, witness

    def __getattr__(self, name):
        return getattr(self._model, name)

    async def transition(self, change):
        try:
            return await self._model.transition(change)
        finally:
            self._witness()


class Directory:
    """A log, and three partitions that are made of it."""

    def __init__(self):
        self.around = Surroundings()
        for nth in range(9):
            self.around.history.register(f"h{nth}")
        self.around.append()
        self.stores = [MemoryStore(keyspace=each) for each in THREE.keyspaces]
        self.leases = [MemoryLease() for _ in self.stores]
        self.seen = []
        """Which versions were live in the parts, one after the other."""

    @asynccontextmanager
    async def running(self, projection=OLD, *, nths=range(3), adapted=lambda _, model: model):
        """A process that leads some of the parts; it knows of all."""
        parts, around = Parts("profiles", clock=self.around.clock), self.around
        tap = EventTap(around.log, idle=HASTE.idle, route=lambda each: {PARTS[nth] for nth in projection.route(each)})
        checkpoints = MemoryCheckpoints(dict(zip(PARTS, self.stores, strict=True)))
        mover = CheckpointMover(checkpoints, tap=tap, order=CommitOrder())
        shared = {"log": around.log, "clock": around.clock, "tap": tap, "mover": mover, "parts": parts}
        projectors = []
        for store, part in zip(self.stores, projection.parts, strict=True):
            made = store_in_memory(store, part)
            made = replace(made, model=adapted(len(projectors), WitnessedModel(made.model, self._witness)))
            projectors.append(
                projector_with(part, store=made, ids=self._name, lease=self.leases[len(projectors)], **shared)
            )
        async with AsyncExitStack() as opened, Tasks() as tasks:
            tasks.start(mover.run(), name="checkpoint mover")
            for nth in nths:
                await opened.enter_async_context(running(projectors[nth]))
            yield parts, [each.reconciler for each in projectors]

    async def filled(self):
        async with self.running():
            await until_here(lambda: self.versions == ALL_AT_V1 and self.is_level)
        self.seen.clear()

    async def until_all_wait_but(self, *nths):
        """Return once all parts are ready, but some."""
        await until_here(lambda: [each.has_ready(V2) for each in self.surveys] == [nth not in nths for nth in range(3)])

    @property
    def surveys(self):
        return [at_once(store_in_memory(*each).model.survey()) for each in zip(self.stores, OLD.parts, strict=True)]

    @property
    def versions(self):
        return tuple(each.live and each.live.version for each in self.surveys)

    @property
    def is_level(self):
        head = self.around.history.events[-1].position
        return all(state.reached == head for each in self.surveys for state in each.generations.values())

    def _name(self):
        return f"g{next(self.around.generations)}"

    def _witness(self):
        if all(each.available for each in self.stores) and self.versions not in self.seen[-1:]:
            self.seen.append(self.versions)


async def order_all(reconcilers, order=ORDER):
    for each in reconcilers:
        await each.begin(order)


@pytest.fixture
async def directory():
    made = Directory()
    await made.filled()
    return made


@asynccontextmanager
async def released(directory, **more):
    """The next release beside the one before, which goes on feeding what it has made."""
    async with directory.running(), directory.running(NEW, **more) as (parts, reconcilers):
        yield parts, reconcilers


async def test_a_new_version_goes_live_once_it_is_ready_in_all_parts(directory):
    """The first part goes first."""
    async with released(directory) as (_, reconcilers):
        await reconcilers[2].begin(ORDER)
        await reconcilers[0].begin(ORDER)
        await directory.until_all_wait_but(1)
        assert directory.versions == ALL_AT_V1
        await reconcilers[1].begin(ORDER)
        await until_here(lambda: directory.versions == ALL_AT_V2)

    assert directory.seen[:2] == [ALL_AT_V1, (V2, V1, V1)]
    assert all(sum(a != b for a, b in zip(*each, strict=True)) == 1 for each in pairwise(directory.seen))


async def test_no_part_is_woken_by_another_at_a_first_fill(monkeypatch):
    """Each of them has a few steps to take: all would look again after each."""
    directory, woken = Directory(), []
    monkeypatch.setattr(Parts, "look_again", lambda _: woken.append("again"))

    await directory.filled()

    assert woken == []


async def test_what_is_ready_is_fed_on_and_shows_nothing(directory):
    """Also while another part is slow to be filled."""
    slow = []

    def adapted(nth, model):
        if nth == 1:
            slow.append(GatedModel(model))
            slow[0].gate.clear()
            return slow[0]
        return model

    async with released(directory, adapted=adapted) as (_, reconcilers):
        await order_all(reconcilers)
        await directory.until_all_wait_but(1)
        for nth in range(9):
            directory.around.history.register(f"late{nth}")
        directory.around.tell()
        await until_here(lambda: all(is_level(directory, nth) for nth in (0, 2)))
        assert directory.versions == ALL_AT_V1

        slow[0].gate.set()
        await until_here(lambda: directory.versions == ALL_AT_V2)
        await until_here(lambda: directory.is_level)


def is_level(directory, nth):
    head = directory.around.history.events[-1].position
    return {state.reached for state in directory.surveys[nth].generations.values()} == {head}


async def test_nothing_goes_live_while_a_part_cannot_be_asked(directory):
    """The node of one partition is away: the switch does not begin, and no other part is disturbed."""
    async with released(directory) as (parts, reconcilers):
        await order_all(reconcilers[:2])
        await directory.until_all_wait_but(2)
        directory.stores[2].available = False
        assert not await parts.can_go(V2)
        with pytest.raises(Unavailable):
            await parts.roll_back(force=True)
        assert [each.progress.error for each in reconcilers[:2]] == [None, None]
        directory.stores[2].available = True
        await reconcilers[2].begin(ORDER)
        await until_here(lambda: directory.versions == ALL_AT_V2)


@pytest.mark.parametrize("others", [OLD, NEW], ids=["by the old release", "by the new one"])
@pytest.mark.parametrize("back", [False, True], ids=["forward", "back"])
async def test_a_process_that_dies_between_two_parts_leaves_it_to_others(directory, monkeypatch, back, others):
    """Who leads the others finds out where the first part is, and goes there."""
    async with directory.running(NEW) as (parts, reconcilers):
        await order_all(reconcilers)
        if back:
            await until_here(lambda: directory.versions == ALL_AT_V2)
        died = asyncio.Event()

        async def die():
            died.set()
            await asyncio.Event().wait()

        monkeypatch.setattr(parts, "follow", die)
        for each in reconcilers[1:]:
            monkeypatch.setattr(each, "_following", lambda _: asyncio.sleep(0))
        rolling = asyncio.create_task(parts.roll_back(force=False)) if back else None
        await died.wait()
        rolling and rolling.cancel()
    assert directory.versions == ((V1, V2, V2) if back else (V2, V1, V1))

    async with directory.running(others, nths=(1, 2)):
        await until_here(lambda: directory.versions == (ALL_AT_V1 if back else ALL_AT_V2))


async def test_parts_that_are_led_elsewhere_are_taken_along_at_once(directory):
    """Their leaders may be at rest; here there are none any more."""
    async with directory.running(NEW, nths=(1, 2)) as (_, reconcilers):
        await order_all(reconcilers[1:])
        await directory.until_all_wait_but(0)
    async with directory.running(NEW, nths=(0,)) as (_, reconcilers):
        await reconcilers[0].begin(ORDER)
        await until_here(lambda: directory.versions == ALL_AT_V2)


async def test_all_parts_go_back_together(directory):
    """And forth again, as one part does alone."""
    async with released(directory) as (parts, reconcilers):
        await order_all(reconcilers)
        await until_here(lambda: directory.versions == ALL_AT_V2)
        there = await parts.roll_back(force=False)
        assert [(label, each.live.version) for label, each in there.items()] == [(each, V1) for each in PARTS]
        await parts.roll_back(force=False)
        assert directory.versions == ALL_AT_V2


async def test_no_part_goes_back_if_one_would_take_readers_back(directory):
    """Or has nothing to go back to: it is named."""
    async with directory.running(NEW) as (parts, reconcilers):
        await order_all(reconcilers)
        await until_here(lambda: directory.versions == ALL_AT_V2)
        directory.around.history.register("late")
        directory.around.tell()
        await until_here(lambda: {each.at(each.live).reached for each in directory.surveys} == {20})

        with pytest.raises(NotReached, match=r"profiles\.\d: generation .* stands at 18, the live one at 20"):
            await parts.roll_back(force=False)
        assert directory.versions == ALL_AT_V2
        await parts.roll_back(force=True)
        assert directory.versions == ALL_AT_V1


async def test_a_part_that_never_came_along_gives_up_what_the_others_have_gone_back_from(directory, monkeypatch):
    """It is not built once more by itself; an order that is younger than the rollback stands."""
    async with released(directory) as (parts, reconcilers):
        with monkeypatch.context() as patched:
            patched.setattr(Reconciler, "_following", lambda *_: asyncio.sleep(0))
            await order_all(reconcilers)
            await until_here(lambda: directory.versions == (V2, V1, V1))
            await parts.roll_back(force=False)
            assert directory.versions == ALL_AT_V1

        await until_here(lambda: not any(each.roster.building for each in directory.surveys))
        assert [each.roster.declined for each in directory.surveys] == [V2] * 3
        await reconcilers[1].begin(Order(by="one whose clock is behind", at=ORDER.at - timedelta(hours=1)))
        await directory.until_all_wait_but(0, 2)


async def test_all_rebuilds_are_given_up_together(directory):
    """One part alone is not, once the others count on it."""
    async with released(directory) as (parts, reconcilers):
        await order_all(reconcilers[1:])
        await directory.until_all_wait_but(0)
        with pytest.raises(Refused, match="`muster rebuild --abort profiles` gives all up"):
            await reconcilers[1].abort()

        there = await parts.abort()

        assert list(there) == PARTS[1:]
        assert not any(each.roster.building for each in directory.surveys)
        with pytest.raises(Refused, match="no rebuild is under way"):
            await parts.abort()


async def test_what_has_gone_live_while_the_others_give_it_up_is_gone_back_from(directory, monkeypatch):
    """The first part was not rebuilt when the order came, and is there before the others have carried it out."""
    async with released(directory) as (parts, reconcilers):
        monkeypatch.setattr(Reconciler, "_following", lambda *_: asyncio.sleep(0))
        await order_all(reconcilers[1:])
        await directory.until_all_wait_but(0)

        async def abort(part, change, *, abort=parts._abort):
            if directory.versions[0] == V1:
                await reconcilers[0].begin(ORDER)
                await until_here(lambda: directory.versions[0] == V2)
            return await abort(part, change)

        monkeypatch.setattr(parts, "_abort", abort)
        await parts.abort()

        assert directory.versions == ALL_AT_V1


async def test_the_first_part_does_not_go_with_what_was_given_up_since_that_was_decided(directory, monkeypatch):
    """All were given up, and the first part alone was ordered anew, when it was found that all are ready."""
    async with released(directory) as (parts, reconcilers):
        await order_all(reconcilers[1:])
        await directory.until_all_wait_but(0)
        decided, forced, first = [], Order(by="me", at=ORDER.at, force=True), reconcilers[0].store.model

        async def can_go(_, version, *, can_go=Parts.can_go):
            can = await can_go(parts, version)
            if can and True not in decided:
                await parts.abort()
                await first.transition(transitions.begun(Pointer("anew", V2), forced, target=0))
                await first.transition(ready)
            decided.append(can)
            return can

        monkeypatch.setattr(Parts, "can_go", can_go)
        await reconcilers[0].begin(ORDER)
        await until_here(lambda: True in decided and (not decided[-1] or directory.versions != ALL_AT_V1))

        assert directory.versions == ALL_AT_V1


def ready(survey):
    """A change that has what is built complete, and waiting."""
    building = msgspec.structs.replace(survey.roster.building, comparison=Comparison(records=0), ready=True)
    return survey._replace(roster=msgspec.structs.replace(survey.roster, building=building))


async def test_what_is_going_live_is_not_given_up(directory, monkeypatch):
    async with directory.running(NEW) as (parts, reconcilers):
        monkeypatch.setattr(Reconciler, "_following", lambda *_: asyncio.sleep(0))
        await order_all(reconcilers)
        await until_here(lambda: directory.versions == (V2, V1, V1))

        with pytest.raises(Refused, match=f"version {V2} is going live in all parts"):
            await parts.abort()


async def test_no_part_goes_back_alone_to_another_version(directory):
    async with released(directory) as (_, reconcilers):
        await order_all(reconcilers)
        await until_here(lambda: directory.versions == ALL_AT_V2)

        with pytest.raises(Refused, match="`muster rebuild --rollback profiles` goes back in all parts together"):
            await reconcilers[1].roll_back(force=True)


async def test_nothing_goes_back_while_a_part_is_rebuilt(directory):
    """It may take the place of what is kept."""
    async with released(directory) as (parts, reconcilers):
        await order_all(reconcilers)
        await until_here(lambda: directory.versions == ALL_AT_V2)
        await reconcilers[2].begin(Order(by="me", at=ORDER.at, hold=True))

        with pytest.raises(Refused, match=r"profiles\.2 is being rebuilt: `muster rebuild --abort profiles`"):
            await parts.roll_back(force=False)


async def test_a_part_is_rebuilt_alone_by_the_same_version(directory):
    """And goes back alone, or all do that were rebuilt."""
    async with directory.running() as (parts, reconcilers):
        before = [each.live for each in directory.surveys]
        await reconcilers[1].begin(ORDER)
        await until_here(lambda: directory.surveys[1].live != before[1])
        assert [each.live for each in directory.surveys][::2] == before[::2]
        await reconcilers[1].roll_back(force=False)
        assert [each.live for each in directory.surveys] == before

        await reconcilers[0].begin(ORDER)
        await reconcilers[2].begin(ORDER)
        await until_here(lambda: not any(each.roster.building for each in directory.surveys))
        kept = [each.roster.kept.pointer.generation for each in directory.surveys]
        with pytest.raises(Refused, match=r"profiles\.2: what was seen is not kept any more"):
            await parts.roll_back(force=False, seen=kept[:2])
        await parts.roll_back(force=False, seen=kept)
        assert [each.live for each in directory.surveys][::2] == before[::2]


async def test_the_first_part_is_the_first_that_cannot_go_back_any_more(directory, monkeypatch):
    """So that none is left behind that cannot follow: here the first one keeps what was live for longer."""
    asked = []

    async def have_left(parts, version, *, have_left=Parts.have_left):
        asked.append(version)
        return await have_left(parts, version)

    monkeypatch.setattr(Parts, "have_left", have_left)
    async with directory.running(NEW) as (_, reconcilers):
        await order_all(reconcilers, Order(by="me", at=ORDER.at, keep_old=60))
        await until_here(lambda: directory.versions == ALL_AT_V2)
        first = await reconcilers[0].survey()
        later = replace_kept(first, until=first.roster.kept.until + timedelta(hours=1))
        await reconcilers[0].store.model.transition(lambda survey: survey._replace(live=first.live, roster=later))
        directory.around.clock.advance(timedelta(minutes=2))
        await until_here(lambda: len(asked) > 4)
        assert [bool(each.roster.kept) for each in directory.surveys] == [True] * 3

        directory.around.clock.advance(timedelta(hours=1))
        await until_here(lambda: not any(each.roster.kept for each in directory.surveys))


def replace_kept(survey, **changes):
    return msgspec.structs.replace(survey.roster, kept=msgspec.structs.replace(survey.roster.kept, **changes))
