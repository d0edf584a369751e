"""What a rebuild makes of events that are parked, and of those that were skipped."""

import pytest

from projector.folding.parking import Skip
from projector.parked.events import Busy, ParkedEvents, parking_of
from projector.processing.progress import ProjectionState
from projector.projections.profiles import profiles
from projector.store.generations import Order
from shared.read_model.envelope import unseal
from tests.support.bugs import poisoned
from tests.support.clock import SettableClock
from tests.support.folding import ORDER, at_once
from tests.support.histories import nth_id
from tests.support.patience import until_here
from tests.support.projections import newer
from tests.support.projectors import projector_on, run_until, running, until_state, with_people

ADA, BOB = nth_id(1), nth_id(2)
BAD = 5
"""The position of the event that cannot be folded."""


@pytest.fixture
def around():
    """Ada, who was given a title and then a name, and Bob."""
    around = with_people("ada", "bob")
    around.history.update(ADA, title="Dr")
    around.history.update(ADA, given_name="Augusta")
    around.append()
    return around


def buggy():
    return poisoned(profiles, lambda recorded: recorded.position == BAD)


def waiting(around):
    """The positions of the events that are parked in the live generation."""
    return [each.position for each in at_once(parking_of(around.model, projection="profiles")).events]


def record(around, account):
    key = f"muster:{{0}}:profiles:{around.live}:profile:full"
    return unseal(around.store.field(key, str(account))).body


async def rebuilt(around, projector):
    """Have a new generation take the place of the live one; what differed."""
    await until_state(projector, ProjectionState.RUNNING)
    await projector.reconciler.begin(ORDER)
    await until_here(lambda: around.live == "g2")
    return around.roster.kept.comparison


async def test_the_same_code_parks_the_same_again(around):
    """In the new generation, which is no better than the old one, and does not differ."""
    async with running(projector_on(around, projection=buggy())) as projector:
        comparison = await rebuilt(around, projector)

    assert (comparison.records, comparison.changed) == (2, 0)
    assert waiting(around) == [BAD, BAD + 1]
    assert b'"stale_since"' in record(around, ADA)


async def test_code_that_can_fold_it_replaces_a_generation_with_parked_events(around):
    """The comparison tells that a record is not stale any more, and what else has changed."""
    await run_until(projector_on(around, projection=buggy()), ProjectionState.RUNNING)
    mended = newer(profiles)
    async with running(projector_on(around, projection=mended, name="newer")) as projector:
        await until_here(lambda: projector.reconciler.progress.state is ProjectionState.STOPPED)
        await projector.reconciler.begin(ORDER)
        await until_here(lambda: around.live == "g2")
        [sample] = around.roster.kept.comparison.samples

    assert (sample.id, sample.difference) == (str(ADA), "changed")
    assert {"stale_since", "title", "given_name"} <= set(sample.fields)
    assert waiting(around) == []
    assert b'"stale_since"' not in record(around, ADA)


async def test_what_was_skipped_is_not_parked_again(around):
    """The new generation knows from its beginning who decided so, when and why."""
    async with running(projector_on(around, projection=buggy()), until=ProjectionState.RUNNING) as projector:
        asked = await operators(around).skip("profiles", str(ADA), reason="it never was", by="olga")
        comparison = await rebuilt(around, projector)
        report = await operators(around).read()

    assert comparison.changed == 0
    assert report.parked == ()
    assert report.skipped == asked.skipped
    assert [(each.position, each.reason, each.by) for each in report.skipped] == [(BAD, "it never was", "olga")]
    assert b'"Augusta"' in record(around, ADA)
    assert b"Dr" not in record(around, ADA)


async def test_what_is_to_be_skipped_is_taken_over_too(around):
    """An operator has decided, and no processor has come to it yet."""
    await run_until(projector_on(around, projection=buggy()), ProjectionState.RUNNING)
    parking = at_once(parking_of(around.model, projection="profiles"))
    asked = parking.to_be_skipped(str(ADA), Skip(reason="why", by="olga", at=ORDER.at))

    assert [(each.position, each.skip.by, each.error) for each in asked.skips()] == [(BAD, "olga", "ValueError")]
    assert parking.skips() == ()


async def test_nothing_is_skipped_while_a_rebuild_is_under_way(around):
    """It has taken over what was skipped when it began."""
    order = Order(by="olga", at=ORDER.at, hold=True)
    async with running(projector_on(around, projection=buggy()), until=ProjectionState.RUNNING) as projector:
        await projector.reconciler.begin(order)
        await until_here(lambda: around.is_held)

        with pytest.raises(Busy, match="olga is rebuilding profiles"):
            await operators(around).skip("profiles", str(ADA), reason="why", by="olga")
        await projector.reconciler.abort()
        asked = await operators(around).skip("profiles", str(ADA), reason="why", by="olga")

    assert [each.position for each in asked.skipped] == [BAD]


def operators(around):
    return ParkedEvents(models={"profiles": around.model}, clock=SettableClock())
