"""How generations take one another's place: pure."""

from datetime import timedelta

import msgspec
import pytest

from projector.store import transitions
from projector.store.generations import Building, Comparison, GenerationState, Kept, Order, Roster, Survey
from shared.read_model.positions import Checkpoint, Pointer
from tests.support.folding import ORDER

NOW = ORDER.at + timedelta(minutes=1)
EMPTY = Roster()
OLD, NEW, THIRD = Pointer("g1", 1), Pointer("g2", 2), Pointer("g3", 2)
BUILDING = Building(pointer=NEW, order=ORDER, target=5, replaces=OLD)
KEPT = Kept(pointer=OLD, until=NOW + timedelta(hours=1), seconds=3600, replaced_by=NEW)


def survey(live=OLD, roster=EMPTY, access="open", left=0, change=0, **reached):
    """What there is, with how far each generation has come."""
    generations = {name: GenerationState(Checkpoint(position=at)) for name, at in reached.items()}
    return Survey(live, roster, generations, access, left, change)


def test_a_rebuild_begins_beside_the_live_generation():
    state = transitions.begun(NEW, ORDER, target=5)(survey(g1=5))

    assert state == survey(OLD, Roster(building=BUILDING), g1=5)


def test_the_second_who_wants_a_rebuild_is_told_who_is_at_it():
    with pytest.raises(transitions.RebuildUnderWay, match=r"a test is at it, since 2026-11-25T00:00:00\+00:00"):
        transitions.begun(THIRD, ORDER, target=5)(survey(roster=Roster(building=BUILDING)))


def test_a_rebuild_that_was_held_goes_on_with_the_new_order():
    """What was replayed is not replayed again."""
    held = transitions.compared(NEW, Comparison(records=3), held="wait")(survey(roster=Roster(building=BUILDING)))
    forced = Order(by="another", at=NOW, force=True)

    live, roster, *_ = transitions.begun(THIRD, forced, target=9)(survey(roster=held.roster))

    assert (live, roster.building.pointer, roster.building.order, roster.building.held) == (OLD, NEW, forced, None)
    assert roster.building.comparison == Comparison(records=3)


def test_a_dry_run_does_not_take_the_place_of_a_rebuild_that_is_held():
    """Or it would give up in the end what another wanted to look at."""
    held = transitions.compared(NEW, Comparison(records=3), held="wait")(survey(roster=Roster(building=BUILDING)))
    dry = Order(by="another", at=NOW, hold=True)

    with pytest.raises(
        transitions.RebuildUnderWay, match=r"what a test ordered at 2026-11-25T00:00:00\+00:00 is held, .* abort it"
    ):
        transitions.begun(THIRD, dry, target=9)(survey(roster=held.roster))


def test_a_switch_keeps_the_generation_that_was_live():
    state = transitions.switched(NEW, at=NOW)(survey(roster=Roster(building=BUILDING), g1=7, g2=7))

    assert state == survey(NEW, Roster(kept=KEPT), g1=7, g2=7)


def test_a_switch_makes_room_where_one_is_kept_already():
    older = Kept(pointer=THIRD, until=NOW, seconds=1, replaced_by=OLD)

    state = transitions.switched(NEW, at=NOW)(survey(roster=Roster(building=BUILDING, kept=older), g1=7, g2=7))

    assert state.roster.kept == KEPT
    assert [each.pointer for each in state.roster.leaving] == [THIRD]


def test_readers_are_not_taken_back_by_a_switch():
    with pytest.raises(transitions.NotReached, match=r"g2 .* stands at 6, the live one at 7"):
        transitions.switched(NEW, at=NOW)(survey(roster=Roster(building=BUILDING), g1=7, g2=6))


def test_only_force_takes_readers_back():
    """The live generation may be of a log that is no more."""
    forced = Building(pointer=NEW, order=Order(by="x", at=NOW, force=True), target=5, replaces=OLD)

    assert transitions.switched(NEW, at=NOW)(survey(roster=Roster(building=forced), g1=7, g2=6)).live == NEW


def test_what_is_not_being_built_any_more_does_not_go_live():
    with pytest.raises(transitions.Refused):
        transitions.switched(NEW, at=NOW)(survey(g1=7, g2=7))


def test_rolling_back_is_one_step_and_can_be_undone():
    back = transitions.rolled_back(force=False, at=NOW)(survey(NEW, Roster(kept=KEPT), g1=7, g2=7))
    again = transitions.rolled_back(force=False, at=NOW)(survey(*back[:2], g1=8, g2=8))

    assert (back.live, back.roster.kept.pointer) == (OLD, NEW)
    assert (again.live, again.roster.kept.pointer) == (NEW, OLD)


def test_what_is_being_built_is_judged_against_what_is_live_after_a_rollback():
    """Not against the generation that readers have left: whether it has to wait is open again."""
    held = Building(pointer=THIRD, order=ORDER, target=5, replaces=NEW, comparison=Comparison(records=3), held="wait")

    back = transitions.rolled_back(force=False, at=NOW)(survey(NEW, Roster(kept=KEPT, building=held), g1=7, g2=7))

    assert back.roster.building == Building(pointer=THIRD, order=ORDER, target=5, replaces=OLD)


@pytest.mark.parametrize(
    "decided", [transitions.compared(THIRD, Comparison(records=3), held=None), transitions.switched(THIRD, at=NOW)]
)
def test_what_was_decided_before_a_rollback_is_not_done_after_it(decided):
    """It rests on a comparison with the generation that readers have left."""
    building = Building(pointer=THIRD, order=ORDER, target=5, replaces=NEW)
    before = survey(NEW, Roster(kept=KEPT, building=building), g1=7, g2=7, g3=7)
    back = transitions.rolled_back(force=False, at=NOW)(before)

    assert transitions.as_seen(building, decided)(before) == decided(before)
    with pytest.raises(transitions.Refused, match="g3 is not what it was"):
        transitions.as_seen(building, decided)(survey(*back[:2], g1=7, g2=7, g3=7))


def test_a_version_that_was_rolled_back_does_not_come_again_by_itself():
    """Until an operator orders it."""
    back = transitions.rolled_back(force=False, at=NOW)(survey(NEW, Roster(kept=KEPT), g1=7, g2=7))

    assert not back.is_outdated(2)
    assert back.is_outdated(3)
    assert survey().is_outdated(2)
    ordered = transitions.begun(THIRD, ORDER, target=7)(back)
    assert ordered.roster.declined is None


def test_code_does_not_replace_what_newer_code_made():
    assert not survey(NEW).is_outdated(1)


def test_rolling_back_to_a_frozen_generation_takes_force():
    frozen = survey(NEW, Roster(kept=KEPT), g1=3, g2=7)

    with pytest.raises(transitions.NotReached):
        transitions.rolled_back(force=False, at=NOW)(frozen)
    assert transitions.rolled_back(force=True, at=NOW)(frozen).live == OLD


def test_without_a_kept_generation_there_is_no_way_back():
    with pytest.raises(transitions.Refused, match="no former generation is kept"):
        transitions.rolled_back(force=True, at=NOW)(survey(g1=7))


def test_an_aborted_rebuild_leaves_the_live_generation_alone():
    state = transitions.aborted(at=NOW)(survey(roster=Roster(building=BUILDING), g1=7, g2=3))

    assert (state.live, state.roster.building) == (OLD, None)
    assert [each.pointer for each in state.roster.leaving] == [NEW]


@pytest.mark.parametrize("there", [survey(), survey(None, Roster(building=BUILDING))], ids=["nothing", "a first fill"])
def test_what_is_no_rebuild_cannot_be_aborted(there):
    with pytest.raises(transitions.Refused, match="no rebuild"):
        transitions.aborted(at=NOW)(there)


def test_a_dry_run_gives_up_what_it_has_begun():
    dry = Building(pointer=NEW, order=Order(by="x", at=NOW, hold=True), target=5, replaces=OLD)

    state = transitions.still("building", ["g2"], transitions.aborted(is_dry=True, at=NOW))(
        survey(roster=Roster(building=dry))
    )

    assert (state.live, state.roster.building) == (OLD, None)
    assert [each.pointer for each in state.roster.leaving] == [NEW]


@pytest.mark.parametrize(
    ("generation", "there", "why"),
    [
        ("g2", EMPTY, "generation g2 is not being built any more"),
        ("g3", Roster(building=BUILDING), "generation g3 is not being built any more"),
        ("g2", Roster(building=BUILDING), "a test has ordered generation g2 to go on"),
    ],
)
def test_a_dry_run_does_not_give_up_what_is_another_s(generation, there, why):
    with pytest.raises(transitions.Refused, match=why):
        transitions.still("building", [generation], transitions.aborted(is_dry=True, at=NOW))(survey(roster=there))


def test_a_kept_generation_leaves_when_its_time_is_over():
    early = transitions.expired(at=NOW)(survey(NEW, Roster(kept=KEPT)))
    late = transitions.expired(at=KEPT.until)(survey(NEW, Roster(kept=KEPT)))

    assert early.roster.kept == KEPT
    assert (late.roster.kept, [each.pointer for each in late.roster.leaving]) == (None, [OLD])
    assert transitions.dropped(OLD)(survey(*late[:2])).roster == Roster()


def test_a_first_fill_of_another_version_gives_way():
    """It has no readers, and may not be fed."""
    state = transitions.filling(THIRD, ORDER, target=5)(
        survey(None, Roster(building=Building(pointer=OLD, order=ORDER, target=2)))
    )

    assert (state.live, state.roster.building.pointer) == (None, THIRD)
    assert [each.pointer for each in state.roster.leaving] == [OLD]


@pytest.mark.parametrize(
    "there",
    [survey(None, Roster(building=Building(pointer=NEW, order=ORDER, target=2)), g2=1), survey(g1=5)],
    ids=["being filled", "live"],
)
def test_a_first_fill_that_is_there_is_not_begun_again(there):
    with pytest.raises(transitions.RebuildUnderWay):
        transitions.filling(THIRD, ORDER, target=5)(there)


def test_a_torn_switch_is_completed():
    """The pointer was written and the crash came before the roster."""
    before = survey(roster=Roster(building=BUILDING), g1=7, g2=7)
    state = transitions.switched(NEW, at=ORDER.at)(before)

    assert transitions.completed(state.live, before.roster) == state.roster
    assert transitions.completed(before.live, before.roster) == before.roster


def test_a_torn_first_fill_is_completed():
    building = Building(pointer=NEW, order=ORDER, target=2)

    assert transitions.completed(NEW, Roster(building=building)) == Roster()


def test_a_torn_rollback_is_completed():
    """Also if another generation is being built meanwhile: it replaces what is live now."""
    before = survey(
        NEW, Roster(kept=KEPT, building=Building(pointer=THIRD, order=ORDER, target=9, replaces=NEW)), g1=7, g2=7
    )
    state = transitions.rolled_back(force=False, at=KEPT.until - timedelta(seconds=KEPT.seconds))(before)

    assert transitions.completed(state.live, before.roster) == state.roster
    assert state.roster.building.replaces == OLD


def test_a_part_that_is_closed_shows_nothing_new():
    """Nor does it let anything else go live, until it is said again who may use it."""
    built = survey(roster=Roster(building=BUILDING), access="closed", g1=7, g2=7)

    with pytest.raises(transitions.Refused, match="another layout"):
        transitions.applied(transitions.switched(NEW, at=NOW), built)
    assert transitions.applied(transitions.used("closed"), built) is None
    assert transitions.applied(transitions.used("open", left=3), built) == built._replace(access="open", left=3)


@pytest.mark.parametrize("late", [transitions.used("closed", change=1), transitions.vacated(at=NOW, change=1)])
def test_what_was_decided_before_a_later_change_of_layouts_is_not_heard(late):
    """A projector has slept, and another one has gone on."""
    there = survey(change=2, g1=7)

    with pytest.raises(transitions.Refused, match="change 1 of layouts was overtaken by change 2"):
        late(there)
    assert transitions.applied(transitions.used("closed", change=2), there).access == "closed"


def test_a_part_that_is_left_stays_so_whatever_becomes_live():
    built = survey(roster=Roster(building=BUILDING), left=3, g1=7, g2=7)

    state = transitions.applied(transitions.switched(NEW, at=NOW), built)

    assert state == built._replace(live=NEW, roster=Roster(kept=KEPT))


def test_of_a_part_that_is_vacated_nothing_is_made_any_more():
    roster = Roster(building=Building(pointer=THIRD, order=ORDER, target=5), kept=KEPT)

    state = transitions.vacated(at=NOW)(survey(NEW, roster, g1=7, g2=7, g3=7))

    assert (state.live, state.access, state.roster.building, state.roster.kept) == (None, "gone", None, None)
    assert {each.pointer for each in state.roster.leaving} == {OLD, NEW, THIRD}


READY = msgspec.structs.replace(BUILDING, ready=True)


def test_what_is_ready_waits_for_the_other_parts():
    """Once it has come as far as the live one; it is fed on, and another order leaves it ready."""
    with pytest.raises(transitions.NotReached):
        transitions.readied(NEW)(survey(roster=Roster(building=BUILDING), g1=7, g2=6))

    state = transitions.readied(NEW)(survey(roster=Roster(building=BUILDING), g1=7, g2=7))

    assert state == survey(OLD, Roster(building=READY), g1=7, g2=7)
    assert survey(*state[:2]).has_ready(2)
    assert not survey(roster=Roster(building=BUILDING)).has_ready(2)
    again = transitions.begun(THIRD, Order(by="another", at=NOW), target=9)(survey(*state[:2]))
    assert (again.roster.building.pointer, again.roster.building.ready) == (NEW, True)


def test_a_part_goes_where_the_others_are():
    """To what is ready or kept; it stays if it is there, or has nothing to go to."""
    ready, kept = survey(roster=Roster(building=READY), g1=7, g2=7), survey(NEW, Roster(kept=KEPT), g1=7, g2=7)

    assert transitions.at_version(2, at=NOW)(ready) == transitions.switched(NEW, at=NOW)(ready)
    assert transitions.at_version(1, at=NOW)(kept) == transitions.rolled_back(force=False, at=NOW)(kept)
    assert transitions.at_version(2, at=NOW)(kept) == kept
    for nowhere in (survey(roster=Roster(building=BUILDING), g1=7, g2=7), survey(g1=7)):
        with pytest.raises(transitions.Refused, match="it has no generation of version 2"):
            transitions.at_version(2, at=NOW)(nowhere)


def test_a_part_does_not_go_to_what_is_damaged():
    there = survey(roster=Roster(building=READY), g1=7)._replace(
        generations={"g2": GenerationState(Checkpoint(position=7), damaged="torn")}
    )

    with pytest.raises(transitions.Refused):
        transitions.at_version(2, at=NOW)(there)


def test_what_is_ready_is_judged_anew_after_a_rollback():
    ready = msgspec.structs.replace(READY, pointer=THIRD, replaces=NEW)

    back = transitions.rolled_back(force=False, at=NOW)(survey(NEW, Roster(kept=KEPT, building=ready), g1=7, g2=7))

    assert not back.roster.building.ready


def test_a_rollback_says_that_it_was_forced():
    """Parts that follow it are to be taken back as well."""
    back = transitions.rolled_back(force=True, at=NOW)(survey(NEW, Roster(kept=KEPT), g1=3, g2=7))

    assert back.roster.kept.forced
