"""The record of which layouts there are, on every store."""

from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest
from redis import Redis

from projector.adapters.memory.layouts import MemoryLayoutRecord
from projector.adapters.memory.store import MemoryStore
from projector.adapters.redis.layouts import RedisLayoutRecord
from projector.rebuilding.layout_wish import Wish
from projector.store.errors import Superseded
from shared.errors import Unavailable
from shared.read_model.keys import HOME
from shared.read_model.layouts import LayoutRefused, Layouts
from shared.redis.client import connect
from tests.support.clock import SettableClock

EPOCH = datetime.fromtimestamp(0, UTC)


@asynccontextmanager
async def opened(request):
    if request.param == "memory":
        home = MemoryStore()
        yield MemoryLayoutRecord(home), home.content.__setitem__
        return
    url = request.getfixturevalue(request.param).start().url
    with Redis.from_url(url) as other:
        other.flushall()
        async with connect(url) as client:
            yield RedisLayoutRecord(client), other.set


@pytest.fixture(params=["memory", "valkey", "genuine_redis"])
async def record_and_plant(request):
    async with opened(request) as both:
        yield both


@pytest.fixture
def record(record_and_plant):
    return record_and_plant[0]


@pytest.fixture
def plant(record_and_plant):
    return record_and_plant[1]


async def test_what_was_changed_is_read(record):
    layouts = Layouts(live=1, building=12, switches=2)

    assert await record.read() is None
    assert await record.change(lambda _: layouts) == layouts
    assert await record.read() == layouts


async def test_what_other_releases_have_recorded_or_filled_is_known(record, plant):
    """A number alone; and before numbers were recorded, one partition."""
    plant(HOME.projection("profiles").live, b'{"generation":"g1","version":5}')
    unrecorded = await record.read()
    plant(HOME.partitions, b"12")

    assert (unrecorded, await record.read()) == (Layouts(live=1), Layouts(live=12))


async def test_a_change_that_is_refused_changes_nothing(record):
    await record.change(lambda _: Layouts(live=3))

    with pytest.raises(LayoutRefused, match="there is no layout beside"):
        await record.change(lambda now: now.dropped())
    assert await record.read() == Layouts(live=3)


@pytest.mark.parametrize("record_and_plant", ["valkey", "genuine_redis"], indirect=True)
async def test_of_two_who_change_it_one_does(record, plant):
    def change(now):
        plant(HOME.partitions, b"24")
        return Layouts(live=12)

    with pytest.raises(Superseded):
        await record.change(change)
    assert await record.read() == Layouts(live=24)


async def test_a_wish_counts_once(record):
    """A projector that is put together anew does not wish again for what was given up meanwhile."""
    wish = Wish(12, SettableClock(EPOCH))
    first = await wish.layouts(record)
    other = Wish(3, SettableClock(EPOCH))
    begun = await other.layouts(record)
    dropped = await record.change(lambda now: now.dropped())

    assert (first, begun) == (Layouts(live=12), Layouts(live=12, building=3, switches=1))
    assert await other.layouts(record) == dropped == Layouts(live=12, leaving=3, switches=2)


@pytest.mark.parametrize("layouts", [Layouts(live=12, kept=1), Layouts(live=1, building=3), Layouts(live=1, leaving=3)])
async def test_a_projector_with_the_former_number_changes_nothing(record, layouts):
    """Nor does one with a third number, while there is something beside, nor one with none."""
    await record.change(lambda _: layouts)

    assert [await Wish(count).layouts(record) for count in (1, 24, None)] == [layouts] * 3


async def test_a_wish_waits_for_a_store_that_is_away():
    home = MemoryStore(available=False)
    wish, record = Wish(3), MemoryLayoutRecord(home)
    away = await wish.layouts(record)
    home.available = True

    assert (away, await wish.layouts(record)) == (None, Layouts(live=3))
    home.available = False
    with pytest.raises(Unavailable):
        await record.read()


def test_the_layout_that_is_kept_is_gone_back_to_and_no_other_is_begun():
    kept = Layouts(live=12, kept=1, switches=1)

    assert kept.begun(1, at=EPOCH) == Layouts(live=12, building=1, switches=2)
    with pytest.raises(LayoutRefused, match="the layout of 1 is still kept"):
        kept.begun(3, at=EPOCH)
