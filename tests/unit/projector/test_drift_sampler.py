"""The sampler of drift and a store that does not come as far as the log."""

import asyncio
from contextlib import asynccontextmanager, suppress
from dataclasses import replace

import pytest
from prometheus_client import REGISTRY

from projector.adapters.memory.store import MemoryStore
from projector.audit.drift_sampler import DriftSampler, DriftSamplerLimits
from projector.projections.registry import PROJECTIONS, layout_of
from projector.store.errors import Superseded
from projector.store.ports import ProjectionStore
from shared.read_model.partitions import Partitions
from tests.support.folding import PROFILES, begin, go_live
from tests.support.histories import nth_id
from tests.support.projectors import store_in_memory
from tests.support.read_models import StoreInMemory

HASTY = DriftSamplerLimits(patience=0.05, pause=0.01)
AHEAD = 5


class DirectoryAhead:
    """A directory without people, whose log has more than the store reflects."""

    @asynccontextmanager
    async def snapshot(self):
        yield self

    async def head(self):
        return AHEAD

    async def some(self, aggregate, *, after, limit):
        return ["0198c2a0-0000-7000-8000-000000000001"]

    async def rows_of(self, counterpart, ids):
        return {}


class Swallowing:
    """An inspector that notices too late that it was cancelled, as `asyncio.wait_for` may until Python 3.12."""

    def __init__(self, inspector):
        self._inspector = inspector

    def __getattr__(self, name):
        return getattr(self._inspector, name)

    async def inspect(self, pointers, query):
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(2 * HASTY.patience)
        return await self._inspector.inspect(pointers, query)


@pytest.mark.parametrize("looks", [lambda inspector: inspector, Swallowing])
async def test_nothing_is_compared_while_the_store_is_behind(looks):
    store = StoreInMemory()
    await begin(store.model())
    await go_live(store.model())
    profiles = ProjectionStore(PROFILES, store.model(), looks(store.inspector()))
    sampler = DriftSampler([profiles], directory=DirectoryAhead(), limits=HASTY)

    with pytest.raises(Superseded, match="behind the log"):
        await sampler.sample("profiles")


class DirectoryOf:
    """A directory of people of whom the log says nothing."""

    def __init__(self, *ids):
        self._ids = ids

    @asynccontextmanager
    async def snapshot(self):
        yield self

    async def head(self):
        return 0

    async def some(self, aggregate, *, after, limit):
        return self._ids[:limit]

    async def rows_of(self, counterpart, ids):
        return {id_: {"account_id": id_} for id_ in ids if id_ in self._ids}


async def test_each_partition_is_looked_at_for_whom_it_should_have():
    """What differs in all of them is one figure."""
    partitions, people = Partitions(3), [str(nth_id(number)) for number in range(1, 13)]
    stores = []
    for keyspace, part in layout_of(PROJECTIONS, partitions).parts:
        if part.name == "profiles":
            stores.append(store_in_memory(MemoryStore(keyspace=keyspace), part))
            await begin(stores[-1].model, part)
            await go_live(stores[-1].model, part)
    sampler = DriftSampler(stores, directory=DirectoryOf(*people), limits=replace(HASTY, records=len(people)))

    expected = set()
    for nth in range(3):
        await sampler.sample(f"profiles.{nth}")
        expected |= {("profile", id_) for id_ in people if partitions.of(id_) == nth}
        assert sampler.differing("profiles") == expected

    assert len(expected) == len(people)
    assert REGISTRY.get_sample_value("muster_drift_records", {"projection": "profiles"}) == len(people)
