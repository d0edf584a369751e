"""The sampler of drift and a store that does not come as far as the log."""

import asyncio
from contextlib import asynccontextmanager, suppress

import pytest

from projector.audit.drift_sampler import DriftSampler, DriftSamplerLimits
from projector.store.errors import Superseded
from tests.support.folding import begin, go_live
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
    sampler = DriftSampler({"profiles": looks(store.inspector())}, directory=DirectoryAhead(), limits=HASTY)

    with pytest.raises(Superseded, match="behind the log"):
        await sampler.sample("profiles")
