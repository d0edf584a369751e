"""
Whatever commands come, in whatever batches they are projected: every view answers as the model does.

From the use cases to the views, once with all adapters in memory and once on PostgreSQL and Valkey.
"""

import asyncio
import time
from contextlib import asynccontextmanager
from datetime import timedelta
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.plain_directory import Directory
from tests.support.random_deeds import deeds_of
from tests.support.whole_directory import Whole, memory_backend, real_backend

COMMANDS = 60
BEGINNING = [(0, who, who, 1) for who in range(12)] + [(14, who, who, 1) for who in range(6)]
"""Some people and groups to begin with: see `random_deeds`."""
_number = st.integers(0, 1 << 20)
deeds = st.lists(st.tuples(_number, _number, _number, _number), min_size=5, max_size=COMMANDS)
SETTINGS = {"deadline": None, "suppress_health_check": [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]}


@pytest.fixture(scope="module")
def valkey_url(valkey):
    return valkey.start().url


@asynccontextmanager
async def whole_on(backend):
    async with backend as (write_side, store):
        yield Whole(write_side, store, Directory())


async def compare(backend, numbers):
    """Carry the deeds out, project now and then, look at some lists each time and at everything in the end."""
    async with whole_on(backend) as whole:
        for deed in deeds_of([*BEGINNING, *numbers], number=whole.number):
            whole.write_side.clock.advance(timedelta(seconds=1))
            await whole.carry_out(deed)
            if deed.projects:
                await whole.project(size=deed.size, sweep=deed.sweep)
            if deed.looks:
                await whole.finish()
                await whole.compare_lists(Random(deed.size), count=2)
        await whole.finish()
        await whole.compare_everything()
        await whole.compare_lists(Random(len(numbers)), count=12)


@given(numbers=deeds)
@settings(max_examples=10, **SETTINGS)
def test_every_view_answers_as_the_model_in_memory(numbers):
    asyncio.run(compare(memory_backend(), numbers))


@given(numbers=deeds)
@settings(max_examples=10, **SETTINGS)
def test_every_view_answers_as_the_model_on_real_servers(numbers, database_url, valkey_url):
    asyncio.run(compare(real_backend(database_url, valkey_url), numbers))


@pytest.mark.soak
def test_every_view_answers_as_the_model_for_long(database_url, valkey_url, pytestconfig):
    """Two of three histories on real servers; the seed of one that fails is told."""
    minutes, began, seed = pytestconfig.getoption("--soak-minutes"), time.monotonic(), time.time_ns()
    histories = 0
    while time.monotonic() - began < minutes * 60:
        random = Random(seed + histories)
        numbers = [tuple(random.randrange(1 << 20) for _ in range(4)) for _ in range(random.randint(5, 3 * COMMANDS))]
        backend = real_backend(database_url, valkey_url) if histories % 3 else memory_backend()
        try:
            asyncio.run(compare(backend, numbers))
        except BaseException:
            print(f"history {histories} of seed {seed + histories}: {numbers}")  # noqa: T201 - read by whoever mends it
            raise
        histories += 1
    print(f"{histories} histories without a difference")  # noqa: T201
