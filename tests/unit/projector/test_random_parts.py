"""Whatever happens to the parts of a projection, in any order, and whichever process dies: they end at one version."""

import asyncio
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

import msgspec
from hypothesis import example, given, settings
from hypothesis import strategies as st

from projector.rebuilding.parts import Parts
from projector.store.generations import Comparison, Order
from projector.store.transitions import Refused
from shared.errors import Unavailable
from shared.read_model.positions import Checkpoint
from tests.support.examples import examples
from tests.support.folding import begin, go_live
from tests.support.projectors import projector_with, store_in_memory
from tests.unit.projector.test_parts import NEW, OLD, Directory

HEAD = Checkpoint(position=18, count=18)


class MortalModel:
    """A read model in which only so many changes are made before the process dies that makes them."""

    def __init__(self, model, scene):
        self._model, self._scene = model, scene

    def __getattr__(self, name):
        return getattr(self._model, name)

    async def transition(self, change):
        if self._scene.left == 0:
            raise Unavailable("it has died")
        self._scene.left -= 1
        before = (await self._model.survey()).live
        now = await self._model.transition(change)
        if before.version != now.live.version:
            assert now.live.version == self._scene.directory.versions[0]
        return now


class Scene:
    """Three parts, of whose reconcilers each step is taken by hand, and whose generations are always complete."""

    def __init__(self):
        self.directory = Directory()
        self.left = -1
        around = self.directory.around
        self.parts = Parts("profiles", clock=around.clock)
        self.reconcilers = []
        for store, part in zip(self.directory.stores, NEW.parts, strict=True):
            made = store_in_memory(store, part)
            made = replace(made, model=MortalModel(made.model, self))
            given = {"log": around.log, "clock": around.clock, "parts": self.parts, "ids": self.directory._name}
            self.reconcilers.append(projector_with(part, store=made, **given).reconciler)
            self.reconcilers[-1]._comparison.of = lambda *_: Comparison(records=0)

    async def fill(self):
        next(self.directory.around.generations)
        for store, part in zip(self.directory.stores, OLD.parts, strict=True):
            model = store_in_memory(store, part).model
            await begin(model, part)
            await go_live(model, part)
        self.complete()

    def complete(self):
        for store in self.directory.stores:
            for key in store.content:
                if key.endswith(":checkpoint"):
                    store.content[key] = msgspec.json.encode(HEAD)

    async def order(self, nth):
        await self.reconcilers[nth].begin(Order(by="me", at=self.directory.around.clock.now(), keep_old=60))
        self.complete()

    async def step(self, nth):
        reconciler = self.reconcilers[nth]
        await reconciler._step(await reconciler.survey())

    async def release(self, _):
        """Another version, or what is left of it, as far as it gets."""
        for nth in range(3):
            with suppress(Refused):
                await self.order(nth)
        for nth in (*range(3), *range(3), 0):
            await self.step(nth)

    async def roll_back(self, _):
        await self.parts.roll_back(force=False)

    async def roll_back_alone(self, nth):
        await self.reconcilers[nth].roll_back(force=False)

    async def abort(self, _):
        await self.parts.abort()

    async def abort_alone(self, nth):
        await self.reconcilers[nth].abort()

    async def wait(self, seconds):
        self.directory.around.clock.advance(timedelta(seconds=40 * seconds))

    async def take(self, name, nth, *, left):
        """Take a step in a process that dies after so many changes."""
        self.left = -1 if left is None else left
        with suppress(Refused, Unavailable):
            await getattr(self, name)(nth)
        self.left = -1

    async def settle(self):
        """Let the leaders take all steps there are."""
        before = None
        while before != (before := [await each.survey() for each in self.reconcilers]):
            for nth in range(3):
                await self.step(nth)


STEPS = ("release", "order", "step", "roll_back", "roll_back_alone", "abort", "abort_alone", "wait")
deaths = st.none() | st.integers(0, 13)
REBUILT_BEFORE_ALL_HAVE_FOLLOWED = [
    *(("release", 0, dies) for dies in (4, 6, 6)),
    *((name, 0, None) for name in ("order", "step")),
]
steps = st.lists(st.tuples(st.sampled_from(STEPS), st.integers(0, 2), deaths), max_size=20)


@settings(max_examples=examples(75))
@example(taken=REBUILT_BEFORE_ALL_HAVE_FOLLOWED)
@given(taken=steps)
def test_all_parts_end_at_one_version(taken):
    """And none goes where the first one is not."""

    async def live_through():
        scene = Scene()
        await scene.fill()
        for name, nth, left in taken:
            await scene.take(name, nth, left=left)
        await scene.settle()
        return scene

    scene = asyncio.run(live_through())

    assert len(set(scene.directory.versions)) == 1
