"""The loop: from the first fill through whatever goes wrong, and on."""

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace

import msgspec
import pytest

from projector.adapters.memory.inspector import MemoryGenerationInspector
from projector.adapters.memory.read_model import MemoryReadModel
from projector.leadership.limits import LeadershipLimits
from projector.processing.limits import ProcessorLimits
from projector.processing.progress import ProjectionState
from projector.projections.profiles import profiles
from projector.rebuilding.reconcilers import NotFed
from projector.store.ports import Candidate, LeaseName, ProjectionStore
from shared.event_log import EventLogUnsound, MemoryEventLog
from shared.event_log.adapters.memory import MemoryEventReader
from shared.read_model.positions import Announcement, Checkpoint, Pointer
from tests.support.bugs import poisoned
from tests.support.folding import ORDER, PROFILES, begin, cleanly_folded, fold_next
from tests.support.histories import nth_id
from tests.support.patience import SECONDS, until_here
from tests.support.projections import newer
from tests.support.projectors import (
    HASTE,
    Surroundings,
    projector_on,
    projector_with,
    run_until,
    running,
    until_state,
    with_people,
)

LIVE = "muster:{0}:profiles:live"
NAME = LeaseName("profiles", profiles.version)


@pytest.fixture
def around():
    """A log with three registrations, and an empty store."""
    return with_people("ada", "bob", "cyd")


@pytest.fixture
def history(around):
    return around.history


async def test_the_first_fill_goes_live_when_it_has_reached_the_head(around, history):
    """All that was committed when it began is there before any reader sees any of it."""
    await run_until(projector_on(around), ProjectionState.RUNNING)

    assert around.live == "g1"
    assert await cleanly_folded(history.events) == around.content()
    first_live = next(each for each in around.store.announced[1:] if each == Announcement("g1", 6))
    assert first_live.position == 6


async def test_with_an_empty_log_the_first_fill_is_complete_at_once():
    """Readers learn that there is no record, not that it is unknown."""
    around = Surroundings()

    await run_until(projector_on(around), ProjectionState.RUNNING)

    assert ("g1", Checkpoint()) == (around.live, around.checkpoint())


async def test_a_bell_is_answered_before_the_next_poll(around, history):
    """The poll is an hour away."""
    async with running(projector_on(around, limits=ProcessorLimits(poll=3600)), until=ProjectionState.RUNNING):
        history.suspend(nth_id(1))
        around.tell()

        await until_here(lambda: around.reached() == 7)


async def test_without_a_bell_the_poll_finds_what_was_appended(around, history):
    async with running(projector_on(around), until=ProjectionState.RUNNING):
        history.suspend(nth_id(1))
        around.append()

        await until_here(lambda: around.reached() == 7)


async def test_a_restarted_projector_goes_on_where_the_store_stands(around, history):
    """Nothing is folded again: the revision tells."""
    await run_until(projector_on(around), ProjectionState.RUNNING)
    before = around.checkpoint()
    history.suspend(nth_id(1))
    around.tell()

    async with running(projector_on(around, name="another")):
        await until_here(lambda: around.reached() == 7)

    assert before.revision + 1 == around.checkpoint().revision
    assert await cleanly_folded(history.events) == around.content()


class Hesitant(MemoryReadModel):
    """Begins a commit, and waits until it may go on with it."""

    def __init__(self, store):
        super().__init__(store, projection=PROFILES)
        self.begun, self.may_go_on = asyncio.Event(), asyncio.Event()

    @asynccontextmanager
    async def commit(self, generation, **wanted):
        async with super().commit(generation, **wanted) as commit:
            self.begun.set()
            await self.may_go_on.wait()
            yield commit


async def test_a_batch_that_was_begun_is_committed_before_the_end(around, history):
    """Stopping a projector waits for it; no commit is left in doubt."""
    await run_until(projector_on(around), ProjectionState.RUNNING)
    history.suspend(nth_id(1))
    around.log.append(history.events[6:])
    model = Hesitant(around.store)
    store = ProjectionStore(profiles, model, MemoryGenerationInspector(around.store, projection="profiles"))
    projector = projector_with(profiles, store=store, log=around.log, lease=around.lease)

    async def run():
        async with running(projector):
            await asyncio.Event().wait()

    task = asyncio.create_task(run())
    await model.begun.wait()

    task.cancel()
    for _ in range(20):  # until the cancellation has come to the processor
        await asyncio.sleep(0)
    model.may_go_on.set()
    await asyncio.gather(task, return_exceptions=True)

    assert around.reached() == 7


async def test_an_emptied_store_is_filled_anew(around, history):
    """FLUSHALL: another generation, and no reader until it is complete."""
    async with running(projector_on(around), until=ProjectionState.RUNNING):
        around.store.content.clear()

        await until_here(lambda: around.live == "g2")

    assert around.reached("g2") == 6
    assert {f"muster:{{0}}:profiles:{name}" for name in ("live", "g2:checkpoint")} <= set(around.store.content)
    assert not any(":g1:" in key for key in around.store.content)


async def test_a_store_that_came_back_older_is_gone_on_from_there(around, history):
    """Records and checkpoint of before the last event; the event is folded again."""
    async with running(projector_on(around), until=ProjectionState.RUNNING):
        older = dict(around.store.content)
        older = {key: dict(value) if isinstance(value, dict) else value for key, value in older.items()}
        history.change_handle(nth_id(1), "countess")
        around.tell()
        await until_here(lambda: around.reached() == 7)
        around.store.content = older

        await until_here(lambda: around.reached() == 7)

    assert await cleanly_folded(history.events) == around.content()


async def test_a_first_fill_is_taken_up_by_the_next_projector(around, history):
    """A projector that died half-way left a generation that only needs to be completed."""
    model = MemoryReadModel(around.store, projection=PROFILES)
    await begin(model)
    await fold_next(model, history.events, size=1)

    async with running(projector_on(around), until=ProjectionState.RUNNING):
        await until_here(lambda: around.checkpoint().count == 6)

    assert around.live == "g1"


@pytest.mark.parametrize("away", ["log", "store"])
async def test_what_is_away_is_waited_for(around, history, away):
    """PostgreSQL or Redis: the projector says what it waits for, and goes on by itself."""
    async with running(projector_on(around), until=ProjectionState.RUNNING) as projector:
        getattr(around, away).available = False
        await until_state(projector, ProjectionState.WAITING)
        error = projector.progress.error
        projector.reconcilers.require_feeding()
        history.suspend(nth_id(1))
        around.append()
        getattr(around, away).available = True

        await until_here(lambda: around.reached() == 7)
        await until_state(projector, ProjectionState.RUNNING)

    assert "was made unavailable" in error
    assert projector.progress.error is None


@asynccontextmanager
async def stopped(projector, because):
    """The projector once it has stopped for a reason."""
    async with standing(projector, because):
        with pytest.raises(NotFed, match="profiles"):
            projector.reconcilers.require_feeding()
        yield


@asynccontextmanager
async def standing(projector, because):
    async with running(projector):
        await until_state(projector, ProjectionState.STOPPED)
        assert because in projector.progress.error
        assert "profiles" in projector.progress.error
        yield


async def test_an_unknown_event_stops_the_projection_until_it_is_known(around, history):
    """Everything before it is projected; nothing is skipped."""
    history.meet_the_unknown()
    around.tell()

    async with stopped(projector_on(around), "account-enchanted"):
        await until_here(lambda: around.reached() == 6)


async def test_an_event_that_cannot_be_folded_is_parked_and_the_projection_goes_on(around, history):
    """The operator of the next release need not do anything."""
    history.update(nth_id(1), title="Dr")
    history.suspend(nth_id(2))
    around.tell()
    planted = poisoned(profiles, lambda recorded: recorded.position == 7)

    async with running(projector_on(around, projection=planted), until=ProjectionState.RUNNING) as projector:
        await until_here(lambda: around.reached() == 8)
        projector.reconcilers.require_feeding()
    assert around.checkpoint().parked
    async with running(projector_on(around, name="mended")):
        await until_here(lambda: not around.checkpoint().parked)

    assert await cleanly_folded(history.events) == around.content()


async def test_too_many_that_cannot_be_folded_stop_the_projection(around, history):
    """It must be the code: what was committed stands, the message says what to do, and it does not go on by itself."""
    for number in range(10, 120):
        history.suspend(nth_id(number))
    around.tell()

    async with stopped(
        projector_on(around, limits=replace(HASTE, batch=50)), "more than 100 events could not be folded"
    ):
        assert around.checkpoint().position < history.events[-1].position


async def test_a_projection_stops_while_the_store_may_evict(around):
    """It goes on without a restart once the policy is mended."""
    around.store.evicts = True
    projector = projector_on(around)

    async with stopped(projector, "evict"):
        assert around.live is None
        around.store.evicts = False

        await until_state(projector, ProjectionState.RUNNING)


async def test_a_projection_that_is_fed_stops_once_the_store_may_evict(around, history):
    projector = projector_on(around)
    async with running(projector):
        await until_state(projector, ProjectionState.RUNNING)
        around.store.evicts = True
        history.register("dan")
        around.tell()

        await until_state(projector, ProjectionState.STOPPED)

        assert "evict" in projector.progress.error


async def test_a_damaged_generation_is_not_fed(around, history):
    """A rebuild, as the message says, replaces it."""
    await run_until(projector_on(around), ProjectionState.RUNNING)
    around.store.content["muster:{0}:profiles:g1:by-email"] = b"not a hash"
    history.register("dan")
    around.tell()
    projector = projector_on(around)

    async with stopped(projector, "applied in part"):
        assert "`muster rebuild profiles` replaces it" in projector.progress.error
        await projector.reconciler.begin(ORDER)

        await until_here(lambda: around.live == "g2")

    assert around.reached("g2") == 8


async def test_a_damaged_first_fill_is_begun_anew(around, history):
    """Nobody reads it yet, so nobody has to decide."""
    around.store.content["muster:{0}:profiles:g1:damaged"] = b"applied in part"

    await run_until(projector_on(around), ProjectionState.RUNNING)

    assert around.live == "g2"


async def test_a_generation_without_its_checkpoint_is_damaged(around):
    around.store.content[LIVE] = msgspec.json.encode(Pointer("g7", profiles.version))
    projector = projector_on(around)

    async with stopped(projector, "g7 has lost its checkpoint"):
        del around.store.content[LIVE]

        await until_state(projector, ProjectionState.RUNNING)


async def test_a_generation_of_another_version_is_frozen(around, history):
    """A newer projector leaves it alone until the keys are deleted; readers are served, so that it is no trouble."""
    await run_until(projector_on(around), ProjectionState.RUNNING)
    projector = projector_on(around, projection=newer(profiles))

    async with standing(projector, f"made by version {profiles.version} and is frozen"):
        projector.reconcilers.require_feeding()
        history.suspend(nth_id(1))
        around.tell()
        assert around.reached() == 6
        around.store.content.clear()

        await until_here(lambda: around.reached("g2") == 7)


@pytest.mark.parametrize("lost", [-1, 2], ids=["the last event", "one before it"])
async def test_a_fork_stops_the_projection(around, history, lost):
    """The database came back without an event that was projected; another took its place."""
    await run_until(projector_on(around), ProjectionState.RUNNING)
    forked = MemoryEventLog()
    forked.append([each for each in history.events if each is not history.events[lost]])
    projector = projector_on(around, log=forked)

    async with stopped(projector, "is not the one that was projected"):
        assert "6 events up to position 6" in projector.progress.error


async def test_a_fork_that_is_mended_is_noticed(around, history):
    """The right log is back; no restart is needed."""
    async with running(projector_on(around), until=ProjectionState.RUNNING) as projector:
        right, around.log._events[:] = list(around.log._events), []
        around.log.available = False
        await until_state(projector, ProjectionState.WAITING)
        around.log.available = True
        await until_state(projector, ProjectionState.STOPPED)
        around.log._events[:] = right

        await until_state(projector, ProjectionState.RUNNING)


async def test_an_unsound_log_stops_the_projection(around):
    """The message is the log's own; it says what to mend."""

    class Unsound(MemoryEventLog):
        def connect(self):
            raise EventLogUnsound("profiles: the sequence is behind the log")

    async with stopped(projector_on(around, log=Unsound()), "the sequence is behind the log"):
        assert around.live is None


async def test_a_defect_is_told_and_does_not_end_the_loop(around):
    class Defective(MemoryEventLog):
        def connect(self):
            raise ZeroDivisionError

    async with running(projector_on(around, log=Defective())) as projector:
        await until_state(projector, ProjectionState.STOPPED)

    assert "defect: ZeroDivisionError" in projector.progress.error


async def test_a_second_projector_stands_by(around):
    """It takes over as soon as the first has stopped."""
    async with running(projector_on(around, name="second", limits=ProcessorLimits(poll=0.005))) as second:
        await until_state(second, ProjectionState.RUNNING)
        async with running(projector_on(around, name="third"), until=ProjectionState.STANDBY) as third:
            third.reconcilers.require_feeding()
            around.lease.holders[NAME] = Candidate("third", "2026-11-25T08:00:00+00:00")

            await until_state(third, ProjectionState.RUNNING)
            await until_state(second, ProjectionState.STANDBY)


async def test_a_projector_that_stops_gives_the_lease_up(around):
    await run_until(projector_on(around), ProjectionState.RUNNING)

    left = await around.lease.candidates([NAME])
    assert (left.holders, left.all) == ({}, [])


async def test_a_projector_stops_even_if_its_cancellation_is_swallowed(around):
    """As `asyncio.wait_for` does now and then below Python 3.12, and so redis-py."""
    waits, swallowed = asyncio.Event(), asyncio.Event()

    class SwallowingReader(MemoryEventReader):
        async def wait(self, *, seconds):
            waits.set()
            try:
                return await super().wait(seconds=3600)
            except asyncio.CancelledError:
                swallowed.set()
                return False

    class Swallowing(MemoryEventLog):
        @asynccontextmanager
        async def connect(self):
            yield SwallowingReader(self, around.log._events, asyncio.Event())

    async with asyncio.timeout(SECONDS), running(projector_on(around, log=Swallowing())) as projector:
        await until_state(projector, ProjectionState.RUNNING)
        await waits.wait()

    assert swallowed.is_set()
    assert not around.lease.holders


async def test_two_projectors_that_both_believe_to_hold_the_lease_do_no_harm(around, history):
    """The zombie loses every race it should lose; each event has its effect once."""
    other = Surroundings(log=around.log, store=around.store)
    for number in range(30):
        history.change_handle(nth_id(1), f"handle-{number}")

    async with running(projector_on(around, name="one")), running(projector_on(other, name="zombie")):
        for event in history.events[6:]:
            around.log.append([event])
            around.log.notify()
            await asyncio.sleep(0)
        await until_here(lambda: around.live and around.reached(around.live) == 36)

    generation = around.live
    assert around.checkpoint(generation).count == 36
    assert {"handle-29", "bob", "cyd"} == set(around.store.content[f"muster:{{0}}:profiles:{generation}:by-handle"])


async def test_a_projector_that_cannot_reach_the_lease_waits_for_it(around):
    """To stand by would say that another one leads."""
    async with running(projector_on(around, leading=LeadershipLimits(lease=0.01, renew=0.005))) as projector:
        await until_state(projector, ProjectionState.RUNNING)
        around.lease.available = False

        await until_state(projector, ProjectionState.WAITING)
        assert "the lease in memory was made unavailable" in projector.progress.error
        around.lease.available = True
        await until_state(projector, ProjectionState.RUNNING)
