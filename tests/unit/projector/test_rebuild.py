"""A generation is built beside the live one, compared with it, and takes its place."""

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta

import msgspec
import pytest

from projector.declaring.projection import Projection
from projector.processing.progress import ProjectionState
from projector.projections.profiles import PROFILE, profiles
from projector.rebuilding import reconciler
from projector.rebuilding.comparison import Comparer
from projector.rebuilding.throttle import Throttle
from projector.store.generations import Order
from projector.store.transitions import NotReached, aborted, rolled_back, vacated
from shared.read_model.keys import INDEX_ROW
from shared.settings import Settings
from tests.support.folding import ORDER
from tests.support.histories import nth_id
from tests.support.patience import until_here
from tests.support.projections import derived
from tests.support.projectors import (
    HASTE,
    Surroundings,
    ops_client,
    projector_on,
    run_until,
    running,
    until_state,
)

HOLD = Order(by="me", at=ORDER.at, hold=True)


class Newer(Projection):
    """What the next release may bring: titles are shouted."""

    def react(self, recorded, documents):
        super().react(recorded, Shouting(documents))


class Shouting:
    def __init__(self, documents):
        self._documents = documents

    def __getattr__(self, name):
        return getattr(self._documents, name)

    def save(self, kind, id, record):
        if getattr(record, "title", None):
            record = msgspec.structs.replace(record, title=record.title.upper())
        self._documents.save(kind, id, record)


class Forgetful(Newer):
    """A release that loses people."""

    def react(self, recorded, documents):
        if recorded.aggregate_id == nth_id(1):
            Projection.react(self, recorded, documents)


def released(kind):
    return derived(profiles, kind, version=profiles.version + 1)


@pytest.fixture
def around():
    around = Surroundings()
    for number in range(12):
        around.history.register(f"p{number}", title="dr" if number % 2 else None)
    around.append()
    return around


@pytest.fixture
def history(around):
    return around.history


async def test_a_rebuild_replaces_the_live_generation(around, history):
    """What it holds in the end is what a clean fold of the log holds; the old one is kept, and kept fed."""
    async with running(projector_on(around), until=ProjectionState.RUNNING) as projector:
        await projector.reconciler.begin(ORDER)
        await until_here(lambda: around.live == "g2")
        history.suspend(nth_id(1))
        around.tell()
        await until_here(lambda: around.reached("g1") == around.reached("g2") == 25)

    assert around.roster.kept.pointer.generation == "g1"
    (of_old, of_new) = (
        {key.replace(name, "g"): around.store.content[key] for key in around.keys_of(name) if "checkpoint" not in key}
        for name in ("g1", "g2")
    )
    assert of_old == of_new
    assert of_new


async def test_readers_never_see_anything_but_a_whole_generation(around, history):
    """At each announcement the live one has all that was committed when the rebuild began."""
    async with running(projector_on(around), until=ProjectionState.RUNNING) as projector:
        announced = len(around.store.announced)
        await projector.reconciler.begin(ORDER)
        await until_here(lambda: around.live == "g2")

    assert around.store.announced[-1].position == 24
    assert [each.position for each in around.store.announced[announced:] if each.generation == "g1"] == []


async def test_the_comparison_tells_what_changes(around, history):
    """Six doctors are shouted; nobody is new or gone."""
    await run_until(projector_on(around), ProjectionState.RUNNING)
    async with running(projector_on(around, projection=released(Newer), name="newer")) as projector:
        await until_here(lambda: projector.progress.state is ProjectionState.STOPPED)
        await projector.reconciler.begin(HOLD)
        await until_here(lambda: around.is_held)

    building = around.roster.building
    assert (building.comparison.records, building.comparison.new, building.comparison.gone) == (12, 0, 0)
    assert building.comparison.changed == 6
    assert {(each.difference, each.fields) for each in building.comparison.samples} == {("changed", ("title",))}
    assert around.live == "g1"


async def test_what_is_built_catches_up_in_smaller_commits_than_the_live_one(around, history):
    """From the first on: readers of the live one wait for each."""
    projector = projector_on(around, limits=replace(HASTE, batch=500))
    async with running(projector, until=ProjectionState.RUNNING):
        await projector.reconciler.begin(HOLD)
        await until_here(lambda: around.is_held)
        announced = len(around.store.announced)
        for number in range(12, 200):
            history.register(f"p{number}")
        around.tell()
        await until_here(lambda: around.reached("g1") == around.reached("g2") == 400)

    (g1, *_), (g2, *_) = (
        [each.position for each in around.store.announced[announced:] if each.generation == name]
        for name in ("g1", "g2")
    )
    assert (g1, g2 < 300) == (400, True)


async def test_a_rebuild_that_would_empty_the_directory_is_held(around):
    """Unless it is forced: an operator has to look first."""
    await run_until(projector_on(around), ProjectionState.RUNNING)
    async with running(projector_on(around, projection=released(Forgetful), name="newer")) as projector:
        await until_state(projector, ProjectionState.STOPPED)
        await projector.reconciler.begin(ORDER)
        await until_here(lambda: around.is_held)
        building = around.roster.building
        assert "11 of 12 records would be gone" in building.held
        assert around.live == "g1"
        await projector.reconciler.begin(Order(by="me", at=ORDER.at, force=True))

        await until_here(lambda: around.live == "g2")


async def test_an_aborted_rebuild_leaves_nothing(around):
    async with running(projector_on(around), until=ProjectionState.RUNNING) as projector:
        await projector.reconciler.begin(HOLD)
        await until_here(lambda: around.is_held)
        await around.model.transition(aborted(at=around.clock.now()))

        await until_here(lambda: not around.keys_of("g2"))

    assert around.live == "g1"
    assert around.roster.leaving == ()


async def test_who_slept_while_a_layout_was_dropped_fills_nothing_there(around, monkeypatch):
    """That the part is not to be filled stays recorded in it, for whom nobody has put together anew."""
    turns = []
    async with running(projector_on(around), until=ProjectionState.RUNNING):
        await around.model.transition(vacated(at=around.clock.now(), change=1))

    async def turn(late, *, turn=reconciler.Reconciler._turn):
        turns.append(1)
        await turn(late)

    monkeypatch.setattr(reconciler.Reconciler, "_turn", turn)
    async with running(late := projector_on(around)):
        await until_here(lambda: late.reconciler._feed.leadership.is_held)
        for nth in range(1, 4):
            late.reconciler.look_again()
            await until_here(lambda n=nth: len(turns) > n)

    survey = await around.model.survey()
    assert (survey.access, survey.live, survey.roster.building) == ("gone", None, None)


async def test_the_old_generation_is_dropped_when_its_time_is_over(around):
    async with running(projector_on(around), until=ProjectionState.RUNNING) as projector:
        await projector.reconciler.begin(Order(by="me", at=ORDER.at, keep_old=60))
        await until_here(lambda: around.live == "g2")
        assert around.keys_of("g1")
        around.clock.advance(timedelta(seconds=61))

        await until_here(lambda: not around.keys_of("g1"))

    assert around.keys_of("g2")


async def test_a_dropped_generation_lives_on_for_those_who_read_it(around):
    """Longer than the longest read."""
    async with running(projector_on(around, limits=replace(HASTE, grace=10))) as projector:
        await until_state(projector, ProjectionState.RUNNING)
        await projector.reconciler.begin(Order(by="me", at=ORDER.at, keep_old=0))
        await until_here(lambda: around.live == "g2")
        await until_here(lambda: around.roster.leaving)
        assert around.keys_of("g1")
        around.clock.advance(timedelta(seconds=10))

        await until_here(lambda: not around.keys_of("g1"))


async def test_a_rollback_is_one_step_and_does_not_take_readers_back(around, history):
    """The kept generation is fed, so it is where the live one is."""
    async with running(projector_on(around), until=ProjectionState.RUNNING) as projector:
        await projector.reconciler.begin(ORDER)
        await until_here(lambda: around.live == "g2")
        history.suspend(nth_id(1))
        around.tell()
        await until_here(lambda: around.reached("g1") == 25)

        await around.model.transition(rolled_back(force=False, at=around.clock.now()))

        assert (around.live, around.reached("g1")) == ("g1", 25)
        history.reinstate(nth_id(1))
        around.tell()
        await until_here(lambda: around.reached("g1") == around.reached("g2") == 26)


@asynccontextmanager
async def replaced_and_rebuilt(around):
    """Newer code, by which the live generation is made, and has to be held when it is rebuilt once more."""
    await run_until(projector_on(around), ProjectionState.RUNNING)
    async with running(projector_on(around, projection=released(Newer), name="newer")) as newer:
        await until_state(newer, ProjectionState.STOPPED)
        await newer.reconciler.begin(ORDER)
        await until_here(lambda: around.live == "g2")
        await newer.reconciler.begin(HOLD)
        yield newer


async def test_a_held_rebuild_is_compared_again_after_a_rollback(around):
    """With the generation that is live by then: six doctors were shouted there already, and nowhere else."""
    async with replaced_and_rebuilt(around) as newer:
        await until_here(lambda: around.is_held)
        assert around.roster.building.comparison.changed == 0

        await newer.reconciler.roll_back(force=False)

        await until_here(lambda: around.is_held)
        assert (around.live, around.roster.building.comparison.changed) == ("g1", 6)


async def test_a_rollback_between_a_comparison_and_its_note_is_seen(around, monkeypatch):
    """What was compared with the generation that was live until then is compared again."""
    async with replaced_and_rebuilt(around) as newer:

        async def transition(change, transition=newer.reconciler.store.model.transition):
            monkeypatch.undo()
            await transition(rolled_back(force=False, at=around.clock.now()))
            return await transition(change)

        monkeypatch.setattr(newer.reconciler.store.model, "transition", transition)
        await until_here(lambda: around.is_held)

    assert (around.live, around.roster.building.comparison.changed) == ("g1", 6)


async def test_a_frozen_generation_is_not_rolled_back_to(around, history):
    """The release that made it is gone, and nobody feeds it."""
    await run_until(projector_on(around), ProjectionState.RUNNING)
    async with running(projector_on(around, projection=released(Newer), name="newer", rebuilds_by_itself=True)):
        await until_here(lambda: around.live == "g2")
        history.suspend(nth_id(1))
        around.tell()
        await until_here(lambda: around.reached("g2") == 25)

        with pytest.raises(NotReached, match=rf"version {profiles.version}.* stands at 24, the live one at 25"):
            await around.model.transition(rolled_back(force=False, at=around.clock.now()))


@pytest.mark.parametrize("by_itself", [True, False])
async def test_newer_code_rebuilds_by_itself_if_it_may(around, by_itself):
    """With MUSTER_REBUILD=auto; otherwise the live generation stays frozen, and status says so."""
    await run_until(projector_on(around), ProjectionState.RUNNING)

    newest = projector_on(around, projection=released(Newer), name="new", rebuilds_by_itself=by_itself)
    async with running(newest) as newer:
        if by_itself:
            await until_here(lambda: around.live == "g2")
        else:
            await until_state(newer, ProjectionState.STOPPED)
            assert "is frozen" in newer.progress.error
            assert "`muster rebuild profiles`" in newer.progress.error
            assert around.live == "g1"


async def test_a_setting_has_newer_code_rebuild_by_itself(around):
    await run_until(projector_on(around), ProjectionState.RUNNING)
    auto = Settings.load({"MUSTER_REBUILD": "auto"})

    async with ops_client(around, projections=[released(Newer)], settings=auto):
        await until_here(lambda: around.live != "g1")


def before_forms():
    """The release before: it compares addresses without case as they were written, and folds nothing but ASCII."""
    index = profiles.index_of[PROFILE.name]

    def row(record):
        name = record.display_name.lower().encode()
        return msgspec.structs.replace(index.row(record), keys=(name, *index.row(record).keys[1:]), words=b"")

    unique = [each._replace(form=str.casefold) if each.by == "by-email" else each for each in index.unique]
    index_of = {**profiles.index_of, PROFILE.name: replace(index, unique=unique, row=row)}
    return derived(profiles, Projection, version=profiles.version - 1, index_of=index_of)


async def test_records_in_forms_of_the_release_before_are_made_anew_at_the_start(around, history):
    """Nobody has to order it: addresses, words, tags and places in lists are those of the new forms."""
    history.register(
        "jo", email="jo@bücher.example", display_name="O\N{RIGHT SINGLE QUOTATION MARK}Brien", tags=("Año",)
    )
    around.tell()
    await run_until(projector_on(around, projection=before_forms()), ProjectionState.RUNNING)
    old = {key.replace(":g1:", ":"): around.store.content[key] for key in around.keys_of("g1")}

    async with running(projector_on(around, name="new", rebuilds_by_itself=True)):
        await until_here(lambda: around.live == "g2")

    new = {key.replace(":g2:", ":"): around.store.content[key] for key in around.keys_of("g2")}
    assert "jo@xn--bcher-kva.example" in new["muster:{0}:profiles:by-email"]
    differing = {key.rpartition(":")[2] for key in new if new[key] != old.get(key)}
    assert differing - {"checkpoint"} == {"by-email", "display_name", "word", INDEX_ROW}  # which counts its commits


async def test_an_older_projector_feeds_the_live_generation_while_newer_code_rebuilds(around, history):
    """Each feeds what it has made; neither is stopped."""
    newest = projector_on(around, projection=released(Newer), name="newer")
    async with (
        running(projector_on(around), until=ProjectionState.RUNNING),
        running(newest, until=ProjectionState.STANDBY) as newer,
    ):
        await newer.reconciler.begin(HOLD)
        await until_here(lambda: around.is_held)
        history.suspend(nth_id(1))
        around.tell()
        await until_here(lambda: around.reached("g1") == around.reached("g2") == 25)
        await newer.reconciler.begin(ORDER)
        await until_here(lambda: around.live == "g2")
        history.reinstate(nth_id(1))
        around.tell()

        await until_here(lambda: around.reached("g1") == around.reached("g2") == 26)


async def test_older_code_does_not_rebuild_what_newer_code_made(around):
    """Or two releases side by side would replace each other's generations for ever."""
    await run_until(projector_on(around, projection=released(Newer), name="newer"), ProjectionState.RUNNING)
    await run_until(projector_on(around, rebuilds_by_itself=True), ProjectionState.STOPPED)

    assert around.live == "g1"
    assert around.roster.building is None


async def test_a_rebuild_goes_on_where_a_killed_projector_left_it(around):
    """Filled and killed, the next one has only to feed it on; the live generation is untouched."""
    async with running(projector_on(around), until=ProjectionState.RUNNING) as projector:
        live_before = {key: around.store.content[key] for key in around.keys_of("g1")}
        await projector.reconciler.begin(HOLD)
        await until_here(lambda: around.reached("g2") == 24)

    assert live_before == {key: around.store.content[key] for key in around.keys_of("g1")}
    async with running(projector_on(around, name="last")) as projector:
        await until_here(lambda: around.is_held)
        await projector.reconciler.begin(ORDER)
        await until_here(lambda: around.live == "g2")


async def test_a_store_that_goes_away_during_the_comparison_is_waited_for(around, monkeypatch):
    """The comparison is made again."""
    asked = asyncio.Event()

    async def compare(comparer, live, other, *, compare=Comparer.compare):
        if not asked.is_set():
            asked.set()
            around.store.available = False
        return await compare(comparer, live, other)

    monkeypatch.setattr(Comparer, "compare", compare)
    async with running(projector_on(around), until=ProjectionState.RUNNING) as projector:
        await projector.reconciler.begin(ORDER)
        await asked.wait()
        await until_state(projector, ProjectionState.WAITING)
        around.store.available = True

        await until_here(lambda: around.live == "g2")


async def test_a_rebuild_makes_way_while_the_live_generation_lags(around, monkeypatch):
    """It has to rest after each piece of work, with the lag at hand; feeding the live one never rests."""
    asked = []

    class Recording(Throttle):
        async def rest(self, worked):
            asked.append(self.lag())

    monkeypatch.setattr(reconciler, "Throttle", Recording)
    async with running(projector_on(around), until=ProjectionState.RUNNING) as projector:
        assert asked == []
        monkeypatch.setattr(projector.progress, "caught_up", lambda: None)
        projector.progress.lag = timedelta(hours=1)
        await projector.reconciler.begin(HOLD)
        await until_here(lambda: around.is_held)

    assert asked == [timedelta(hours=1)] * 13


async def test_what_is_complete_goes_live_at_once(around):
    """However seldom the reconciler looks around by itself."""
    seldom = replace(HASTE, poll=3_600.0)
    async with running(projector_on(around, limits=seldom), until=ProjectionState.RUNNING) as projector:
        await projector.reconciler.begin(ORDER)
        await until_here(lambda: around.live == "g2")


async def test_nothing_slows_down_what_replaces_a_generation_that_has_stopped(around, history, monkeypatch):
    """Readers are shown nothing new until then, so that there is nothing to make way for."""
    rested = []

    async def rest(_, worked):
        rested.append(worked)

    monkeypatch.setattr(Throttle, "rest", rest)
    await run_until(projector_on(around), ProjectionState.RUNNING)
    around.store.content["muster:{0}:profiles:g1:by-email"] = b"not a hash"
    history.register("late")
    around.append()

    async with running(projector_on(around), until=ProjectionState.STOPPED) as projector:
        await projector.reconciler.begin(ORDER)
        await until_here(lambda: around.live == "g2")

    assert rested == []


async def test_a_drop_that_was_interrupted_is_finished(around, monkeypatch):
    """The projector dies when half of the keys are gone; the next one removes the others."""
    async with running(projector_on(around), until=ProjectionState.RUNNING) as projector:
        interrupted = asyncio.Event()

        async def half(pointer):
            for key in around.keys_of(pointer.generation)[::2]:
                del around.store.content[key]
            interrupted.set()
            await asyncio.Event().wait()

        monkeypatch.setattr(projector.reconciler.store.model, "unlink", half)
        await projector.reconciler.begin(Order(by="me", at=ORDER.at, keep_old=0))
        await interrupted.wait()
    assert around.live == "g2"
    assert around.keys_of("g1")

    async with running(projector_on(around, name="next")):
        await until_here(lambda: not around.keys_of("g1") and not around.roster.leaving)
