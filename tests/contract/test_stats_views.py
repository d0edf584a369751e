"""What all stats views promise, on every adapter."""

import msgspec
import pytest

from read_side.views import Match, NeverFilled
from shared.read_model.records import StatsRecord
from tests.contract.view_sides import ADAPTERS, side_on
from tests.support.directory import STATS


@pytest.fixture(params=ADAPTERS)
async def side(request):
    async with side_on(request.param, "stats", request) as side:
        yield side


async def test_the_last_numbers_are_told(side):
    """As they are stored, as of the checkpoint."""
    side.projection.commit(StatsRecord(groups=1), position=4)
    side.projection.commit(STATS, position=5)
    side.projection.commit(position=6)

    answer = await side.views.read()

    assert msgspec.json.encode(STATS) == answer.document.body
    assert (answer.position, answer.document.position) == (6, 5)


async def test_before_the_first_fill_there_are_no_numbers(side):
    """Nor before anything that is counted has happened, but then that is known."""
    with pytest.raises(NeverFilled):
        await side.views.read()

    side.projection.commit(position=0)

    assert Match(0, None) == await side.views.read()
