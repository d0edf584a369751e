"""A generation that nobody feeds does not keep whom the log has erased."""

from dataclasses import replace

import pytest

from projector.processing.progress import ProjectionState
from projector.projections.profiles import profiles
from projector.store.generations import Order
from projector.store.ports import Candidate, LeaseName
from tests.support.histories import nth_id
from tests.support.patience import until_here
from tests.support.projections import newer
from tests.support.projectors import projector_on, run_until, running, with_people


@pytest.fixture
def around():
    """Ada and Bob in the log."""
    return with_people("ada", "bob")


def holds(around, text):
    return text in str(around.store.content)


def generations(around):
    return sorted({key.split(":")[3] for key in around.store.content if key.count(":") > 3})


async def by_the_release_before(around):
    await run_until(projector_on(around), ProjectionState.RUNNING)


async def rebuilt(projector, around):
    order = Order(by="a test", at=around.clock.now(), keep_old=3600)
    await projector.reconciler.begin(order)
    await until_here(lambda: generations(around) == ["g1", "g2"])
    await until_here(lambda: projector.progress.reached == 4)


async def test_one_that_is_kept_goes_at_the_first_erasure(around):
    """It could be switched back to for an hour, and nobody would erase her there."""
    await by_the_release_before(around)
    async with running(projector_on(around, projection=newer(profiles))) as projector:
        await rebuilt(projector, around)

        around.erase(nth_id(1))

        await until_here(lambda: generations(around) == ["g2"])
        await until_here(lambda: not holds(around, "ada"))
    assert holds(around, "bob")


async def test_without_an_erasure_it_is_kept(around):
    await by_the_release_before(around)
    async with running(projector_on(around, projection=newer(profiles))) as projector:
        await rebuilt(projector, around)

        around.history.register("cyd")
        around.tell()
        await until_here(lambda: projector.progress.reached == 6)

    assert generations(around) == ["g1", "g2"]


async def test_one_that_another_process_feeds_is_left_to_that(around):
    """It will come to the erasure by itself."""
    await by_the_release_before(around)
    async with running(projector_on(around, projection=newer(profiles))) as projector:
        await rebuilt(projector, around)
        name, before = LeaseName("profiles", profiles.version), Candidate("the one before", "")
        await around.lease.renew(before, [name])
        await around.lease.take(before, [name])

        around.erase(nth_id(1))
        await until_here(lambda: projector.progress.reached == 5)

    assert generations(around) == ["g1", "g2"]


async def test_the_live_one_is_replaced_while_it_is_being_read(around):
    """Though nobody has ordered it: readers are not refused, and she is gone as soon as that can be."""
    await by_the_release_before(around)
    async with running(projector_on(around, projection=newer(profiles))):
        around.erase(nth_id(1))

        await until_here(lambda: generations(around) == ["g2"])
        await until_here(lambda: not holds(around, "ada"))
    assert holds(around, "bob")


async def test_one_that_was_begun_and_left_goes_too(around):
    """A rebuild of a release that is no more."""
    await by_the_release_before(around)
    held = replace(around)  # the same store and log
    async with running(projector_on(held)) as projector:
        await projector.reconciler.begin(Order(by="a test", at=held.clock.now(), hold=True))
        await until_here(lambda: generations(around) == ["g1", "g2"])
        await until_here(lambda: "held" in str(around.store.content["muster:{0}:profiles:roster"]))

    async with running(projector_on(around, projection=newer(profiles))):
        around.erase(nth_id(1))
        await until_here(lambda: not holds(around, "ada"))
    assert holds(around, "bob")
