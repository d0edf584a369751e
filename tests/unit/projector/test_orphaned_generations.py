"""A generation that nobody feeds does not keep whom the log has erased."""

from dataclasses import replace

import pytest

from projector.processing.progress import ProjectionState
from projector.projections.profiles import profiles
from projector.store.generations import Order
from projector.store.ports import Candidate, LeaseName
from tests.support.histories import History
from tests.support.patience import until
from tests.support.projections import newer
from tests.support.projectors import Surroundings, projector_on, run_until, running

pytestmark = pytest.mark.anyio


class Scene:
    """Ada and Bob in a generation of the release before; then Ada is erased."""

    def __init__(self):
        self.around, self.history = Surroundings(), History()
        self.ada, self.bob = self.history.register("ada"), self.history.register("bob")
        self.around.log.append(self.history.events)

    def erase(self):
        self.history.erase(self.ada)
        *_, erased = self.history.events
        self.around.log.redact(lambda each: each.aggregate_id == self.ada, by=erased.position)
        self.around.log.append([erased])
        self.around.log.notify()

    def holds(self, text):
        return text in str(self.around.store.content)

    @property
    def generations(self):
        names = {key.split(":")[3] for key in self.around.store.content if key.count(":") > 3}
        return sorted(names)


@pytest.fixture
def scene():
    return Scene()


async def by_the_release_before(scene):
    await run_until(projector_on(scene.around), ProjectionState.RUNNING)


async def rebuilt(projector, scene):
    order = Order(by="a test", at=scene.around.clock.now(), keep_old=3600)
    await projector.reconciler.begin(order)
    await until(lambda: scene.generations == ["g1", "g2"])
    await until(lambda: projector.progress.reached == 4)


async def test_one_that_is_kept_goes_at_the_first_erasure(scene):
    """It could be switched back to for an hour, and nobody would erase her there."""
    await by_the_release_before(scene)
    async with running(projector_on(scene.around, projection=newer(profiles))) as projector:
        await rebuilt(projector, scene)

        scene.erase()

        await until(lambda: scene.generations == ["g2"])
        await until(lambda: not scene.holds("ada"))
    assert scene.holds("bob")


async def test_without_an_erasure_it_is_kept(scene):
    await by_the_release_before(scene)
    async with running(projector_on(scene.around, projection=newer(profiles))) as projector:
        await rebuilt(projector, scene)

        scene.history.register("cyd")
        scene.around.log.append(scene.history.events[-2:])
        scene.around.log.notify()
        await until(lambda: projector.progress.reached == 6)

    assert scene.generations == ["g1", "g2"]


async def test_one_that_another_process_feeds_is_left_to_that(scene):
    """It will come to the erasure by itself."""
    await by_the_release_before(scene)
    async with running(projector_on(scene.around, projection=newer(profiles))) as projector:
        await rebuilt(projector, scene)
        scene.around.lease.holders[LeaseName("profiles", profiles.version)] = Candidate("the one before", "")

        scene.erase()
        await until(lambda: projector.progress.reached == 5)

    assert scene.generations == ["g1", "g2"]


async def test_the_live_one_is_replaced_while_it_is_being_read(scene):
    """Though nobody has ordered it: readers are not refused, and she is gone as soon as that can be."""
    await by_the_release_before(scene)
    async with running(projector_on(scene.around, projection=newer(profiles))):
        scene.erase()

        await until(lambda: scene.generations == ["g2"])
        await until(lambda: not scene.holds("ada"))
    assert scene.holds("bob")


async def test_one_that_was_begun_and_left_goes_too(scene):
    """A rebuild of a release that is no more."""
    await by_the_release_before(scene)
    held = replace(scene.around)  # the same store and log
    async with running(projector_on(held)) as projector:
        await projector.reconciler.begin(Order(by="a test", at=held.clock.now(), hold=True))
        await until(lambda: scene.generations == ["g1", "g2"])
        await until(lambda: "held" in str(scene.around.store.content["muster:{0}:profiles:roster"]))

    async with running(projector_on(scene.around, projection=newer(profiles))):
        scene.erase()
        await until(lambda: not scene.holds("ada"))
    assert scene.holds("bob")
