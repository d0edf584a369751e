"""What concerns very many documents is brought to them in steps, while everything else goes on."""

from dataclasses import replace

import msgspec
import pytest

from projector.folding.fold import MOST_FAN_OUTS, MOST_WRITES
from projector.processing.progress import ProjectionState
from projector.projections.groups import groups
from projector.projections.profiles import profiles
from shared.read_model.envelope import unseal
from shared.read_model.ordering import group_facet
from shared.read_model.records import ProfileRecord
from tests.support.folding import PROFILES, Generation, cleanly_folded
from tests.support.histories import History
from tests.support.patience import until_here
from tests.support.projectors import HASTE, Surroundings, projector_on, run_until, running

PEOPLE = 7


class Directory(Generation):
    """A directory whose people all belong to one group, folded but for what comes next."""

    def __init__(self, projection=PROFILES, *, people=PEOPLE):
        self.history = History()
        self.group = self.history.create_group("all", name="Everybody")
        self.people = [self.history.register(f"p{number}") for number in range(people)]
        for person in self.people:
            self.history.add_member(self.group, person)
        super().__init__(self.history.events, projection)
        self.fold()

    def step(self, *, fan_out, size=500):
        self.fold(steps=[(size, fan_out)])

    def profile(self, person):
        envelope = self.held["profile:full"][str(person)]
        return msgspec.json.decode(unseal(envelope).body, type=ProfileRecord)

    def names(self):
        return [self.profile(person).groups[0].name for person in self.people]


@pytest.fixture
def directory():
    return Directory()


def test_a_step_brings_an_event_to_so_many_documents(directory):
    """Each record is old or new as a whole; nobody is told that the event is reflected before the last one is."""
    directory.history.rename_group(directory.group, "All of us")

    directory.step(fan_out=3)

    assert directory.names() == ["All of us"] * 3 + ["Everybody"] * 4
    position = directory.history.events[-1].position
    assert (position, position - 1) == (directory.checkpoint.position, directory.checkpoint.reached)


def test_after_the_last_step_readers_are_told(directory):
    directory.history.rename_group(directory.group, "All of us")

    directory.fold()

    assert directory.names() == ["All of us"] * PEOPLE
    assert directory.history.events[-1].position == directory.checkpoint.reached
    assert directory.clean == directory.held


def test_other_events_are_folded_between_the_steps(directory):
    """A person who does not belong to the group is registered and seen while the group's members are being revised."""
    directory.history.rename_group(directory.group, "All of us")
    directory.step(fan_out=1)
    newcomer = directory.history.register("newcomer")

    directory.step(fan_out=1)

    assert directory.profile(newcomer).handle == "newcomer"
    assert directory.checkpoint.fan_outs
    directory.fold()
    assert directory.clean == directory.held


def test_a_document_that_is_touched_before_its_turn_is_brought_up_to_date_first(directory):
    """Its last member changes handle while the fan-out is at the first, and does not miss the new name."""
    directory.history.rename_group(directory.group, "All of us")
    directory.step(fan_out=1)
    last = directory.people[-1]
    directory.history.change_handle(last, "zoe")

    directory.step(fan_out=0)

    assert (directory.profile(last).handle, directory.profile(last).groups[0].name) == ("zoe", "All of us")
    directory.fold()
    assert directory.clean == directory.held


def test_who_moves_in_the_list_meanwhile_is_not_forgotten(directory):
    """From behind the place where the fan-out stands to before it: the record was brought up to date when touched."""
    directory.history.rename_group(directory.group, "All of us")
    directory.step(fan_out=3)
    directory.history.update(directory.people[-1], display_name="Aaron")

    directory.fold()

    assert directory.clean == directory.held


def test_who_joins_meanwhile_joins_what_the_group_is_now(directory):
    directory.history.rename_group(directory.group, "All of us")
    directory.step(fan_out=1)
    newcomer = directory.history.register("aaron")
    directory.history.add_member(directory.group, newcomer)

    directory.fold()

    assert directory.profile(newcomer).groups[0].name == "All of us"
    assert directory.clean == directory.held


def test_several_fan_outs_are_taken_up_in_the_order_of_their_events(directory):
    """Renamed twice, given another slug and deleted: a record touched in between takes up all four."""
    directory.history.rename_group(directory.group, "One")
    directory.history.rename_group(directory.group, "Two")
    directory.history.change_slug(directory.group, "every")
    directory.step(fan_out=2)
    directory.history.update(directory.people[5], title="Dr")
    directory.step(fan_out=0)
    assert (directory.profile(directory.people[5]).groups[0].name, "every") == ("Two", "every")
    directory.history.delete_group(directory.group)

    directory.fold()

    assert directory.clean == directory.held


@pytest.mark.parametrize("projection", [profiles, groups], ids=lambda projection: projection.name)
def test_a_deletion_takes_its_members_out_of_every_list(projection):
    directory = Directory(projection)
    directory.history.delete_group(directory.group)

    directory.step(fan_out=2)
    directory.fold()

    assert directory.clean == directory.held
    lists = [entries for name, entries in directory.held.items() if name.startswith("list:")]
    prefixes = (group_facet(directory.group), directory.group.bytes)
    assert not [entry for entries in lists for entry in entries if entry.startswith(prefixes)]


def test_more_renames_than_may_be_under_way_wait_for_their_turn(directory):
    """Each costs every document that is opened a question, so there are never more than so many."""
    for number in range(MOST_FAN_OUTS * 2 + 1):
        directory.history.rename_group(directory.group, f"Name {number}")

    directory.step(fan_out=0)
    assert len(directory.checkpoint.fan_outs) == MOST_FAN_OUTS
    directory.fold()

    assert directory.clean == directory.held


async def test_a_projector_that_is_killed_goes_on_where_the_fan_out_stands(directory):
    """The next one takes the fan-out up from the checkpoint, and what it does from the log."""
    directory.history.rename_group(directory.group, "All of us")
    directory.step(fan_out=3)
    around = Surroundings(store=directory.store)
    around.log.append(directory.history.events)

    async with running(projector_on(around, limits=replace(HASTE, fan_out=2)), until=ProjectionState.RUNNING):
        await until_here(lambda: not directory.store.string(CHECKPOINT).count(b"sweeps"))

    assert directory.clean == around.content()


async def test_a_fan_out_whose_event_is_not_in_the_log_stops_the_projection(directory):
    """The database was restored to an earlier point, and other events took its place."""
    directory.history.rename_group(directory.group, "All of us")
    directory.step(fan_out=3)
    around, other = Surroundings(store=directory.store), directory.history.events[:-1]
    around.log.append(other)

    async with running(projector_on(around), until=ProjectionState.STOPPED) as successor:
        assert "profiles" in successor.progress.error


async def test_what_came_before_an_event_that_cannot_be_folded_is_fanned_out(directory):
    """The projection stops, but not in the middle of a rename: nobody keeps the old name for as long as it stands."""
    directory.history.rename_group(directory.group, "All of us")
    directory.history.meet_the_unknown()
    around = Surroundings(store=directory.store)
    around.log.append(directory.history.events)

    await run_until(projector_on(around, limits=replace(HASTE, fan_out=2, recheck=60)), ProjectionState.STOPPED)

    assert directory.names() == ["All of us"] * PEOPLE
    assert directory.checkpoint.reached == directory.history.events[-2].position


async def test_what_would_be_too_much_for_one_commit_is_halved():
    """However many words people have: a reader does not wait for hundreds of thousands of entries."""
    around, history = Surroundings(), History()
    for number in range(60):
        history.register(f"p{number}", tags=tuple(f"tag {number} {each}" for each in range(40)))
    around.log.append(history.events)
    weights = []
    around.store.apply = weighing(around.store.apply, weights)

    await run_until(projector_on(around, limits=replace(HASTE, batch=500)), ProjectionState.RUNNING)

    assert await cleanly_folded(history.events) == around.content()
    assert max(weights) <= MOST_WRITES + 10 < sum(weights)


def test_a_step_that_would_be_too_much_for_one_commit_is_halved():
    """It is bounded by what it writes too, not only by how many documents it is brought to."""
    directory, weights = Directory(people=1_400), []
    directory.history.delete_group(directory.group)
    directory.store.apply = weighing(directory.store.apply, weights)

    directory.step(fan_out=1_400)
    directory.fold()

    assert directory.held == directory.clean
    assert max(weights) <= MOST_WRITES + 10 < sum(weights)


CHECKPOINT = "muster:{0}:profiles:g1:checkpoint"


def weighing(apply, weights):
    def weigh(transaction):
        writes = list(transaction)
        weights.append(sum(len(getattr(each, "fields", getattr(each, "entries", ()))) for each in writes))
        return apply(writes)

    return weigh
