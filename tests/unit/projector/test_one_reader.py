"""All projections of a process on one reading of the log."""

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from projector.main import projector_app
from projector.projections.registry import PROJECTIONS
from projector.services import register_projector
from shared.auth.setup import admit_everyone
from shared.runtime.retry import poll
from tests.support.apps import app_client
from tests.support.patience import SECONDS
from tests.support.projectors import HASTE, Surroundings, store_in_memory
from tests.support.reading import CountedMemoryLog

OTHERS = {each.name for each in PROJECTIONS} - {"stats"}


class GatedModel:
    """A read model whose commits wait while its gate is closed."""

    def __init__(self, model):
        self._model = model
        self.gate = asyncio.Event()
        self.gate.set()

    def __getattr__(self, name):
        return getattr(self._model, name)

    @asynccontextmanager
    async def commit(self, generation, *, expected, documents=()):
        await self.gate.wait()
        async with self._model.commit(generation, expected=expected, documents=documents) as commit:
            yield commit


class Process:
    """A projector of all projections, of which `stats` can be made slow."""

    def __init__(self):
        self.around = Surroundings(log=CountedMemoryLog())
        self.around.history.register("ada")
        self.around.append()
        stores = [store_in_memory(self.around.store, each) for each in PROJECTIONS]
        self.slow = GatedModel(stores[3].model)
        stores[3] = replace(stores[3], model=self.slow)
        self._stores = stores

    @asynccontextmanager
    async def running(self):
        async with app_client(projector_app, admit_everyone, self._register) as self._client:
            await self.reach()
            yield

    def _register(self, registry):
        around = self.around
        given = {"log": around.log, "lease": around.lease, "clock": around.clock, "limits": HASTE}
        register_projector(registry, stores=self._stores, **given)

    async def reach(self, names=OTHERS | {"stats"}):
        """Wait until these projections have all of the log."""

        async def behind():
            head = len(self.around.history.events)
            status = (await self._client.get("/status")).json()["projections"]
            return {each["name"] for each in status if each["checkpoint"] != head or each["state"] != "running"} & names

        async with asyncio.timeout(SECONDS):
            await poll(0.001).until(lambda found: not found, behind)

    def register(self, handle):
        self.around.history.register(handle)
        self.around.tell()


@pytest.fixture
def process():
    return Process()


async def test_an_event_is_read_once_for_all_projections(process):
    async with process.running():
        process.register("bob")  # of the first, each makes sure by itself where the log is
        await process.reach()
        given = process.around.log.counted.given
        for nth in range(10):
            process.register(f"h{nth}")
            await process.reach()

    assert process.around.log.counted.given - given == 20


async def test_a_slow_projection_holds_up_no_other(process):
    """And has everything in the end."""
    async with process.running():
        process.slow.gate.clear()
        for nth in range(10):
            process.register(f"h{nth}")
            await process.reach(OTHERS)

        process.slow.gate.set()
        await process.reach()


async def test_a_projection_that_stopped_holds_up_no_other(process):
    """And goes on as soon as it may."""
    async with process.running():
        [checkpoint] = [key for key in process.around.store.content if ":stats:" in key and "checkpoint" in key]
        damaged = checkpoint.replace("checkpoint", "damaged")
        process.around.store.content[damaged] = b"planted"
        for nth in range(10):
            process.register(f"h{nth}")
            await process.reach(OTHERS)

        del process.around.store.content[damaged]
        await process.reach()
