"""What all views of the change feed promise, on every adapter."""

from uuid import UUID

import pytest

from read_side.views import ChangeQuery, ChangesTrimmed, NeverFilled
from shared.read_model.changes import BLOCK
from tests.contract.view_sides import ADAPTERS, side_on
from tests.support.directory import JUDICIARY, item
from tests.support.read_side import ADA, BOB

FAR = 100 * BLOCK


@pytest.fixture(params=ADAPTERS)
async def side(request):
    async with side_on(request.param, "changes", request) as side:
        yield side


async def found(side, **query):
    """The positions found, and the one to go on behind."""
    changes = await side.views.changes(ChangeQuery(**query))
    return [each.position for each in changes.items], changes.after


async def walked(side, **query):
    """All positions that a walk through the feed finds, and where it ends."""
    positions, after = [], query.pop("after", 0)
    while True:
        some, following = await found(side, after=after, **query)
        positions += some
        if following == after:
            return positions, after
        after = following


async def test_a_walk_finds_each_change_once_and_in_order(side):
    """Across blocks and holes; at the end the position stands still."""
    positions = [1, 2, BLOCK - 1, BLOCK, BLOCK + 7, 5 * BLOCK, 6 * BLOCK - 1, 6 * BLOCK]
    side.projection.commit(*map(item, positions), position=6 * BLOCK + 3)

    assert await walked(side, limit=3) == (positions, 6 * BLOCK + 3)
    assert await walked(side, limit=200, after=BLOCK - 1) == (positions[3:], 6 * BLOCK + 3)


async def test_a_change_is_as_it_was_stored(side):
    stored = item(1, "profile-updated", account=ADA.account_id, fields=("title", "bio"))
    side.projection.commit(stored, position=1)

    changes = await side.views.changes(ChangeQuery())

    assert (changes.position, changes.items, changes.after) == (1, (stored,), 1)


async def test_filters_find_what_fits_and_say_up_to_where_they_looked(side):
    """By type, by account and by group, each and together; what does not fit is passed by."""
    board = UUID(int=9)
    side.projection.commit(
        item(1, account=ADA.account_id),
        item(2, "handle-changed", account=BOB.account_id),
        item(3, "member-added", account=ADA.account_id, group=board),
        item(4, "member-added", account=ADA.account_id, group=JUDICIARY.group_id),
        item(5, "group-updated", group=board),
        position=7,
    )

    assert await found(side, types=frozenset({"member-added", "group-updated"})) == ([3, 4, 5], 7)
    assert await found(side, account=ADA.account_id.bytes) == ([1, 3, 4], 7)
    assert await found(side, group=board.bytes) == ([3, 5], 7)
    assert await found(side, account=ADA.account_id.bytes, group=board.bytes) == ([3], 7)
    assert await found(side, types=frozenset({"group-deleted"})) == ([], 7)


async def test_a_walk_with_a_filter_comes_to_what_is_far_away(side):
    """However little fits: each answer has looked through a part of the feed."""
    side.projection.commit(item(1), item(FAR, "handle-changed"), position=FAR + 1)

    assert await walked(side, types=frozenset({"handle-changed"})) == ([FAR], FAR + 1)


async def test_nothing_is_found_behind_the_checkpoint(side):
    """A crash may have left items of which the checkpoint does not know: they come with it, once."""
    side.projection.commit(item(1), item(2), position=1)

    assert await found(side, after=0) == ([1], 1)

    side.projection.commit(position=2)

    assert await found(side, after=1) == ([2], 2)


async def test_a_reader_that_is_ahead_stands_still_until_the_feed_comes_there(side):
    """As after Redis lost what it had last: the same positions come again, and are no news."""
    side.projection.commit(item(1), position=1)

    assert await found(side, after=7) == ([], 7)

    side.projection.commit(item(7), item(8), position=8)

    assert await found(side, after=7) == ([8], 8)


async def test_what_was_trimmed_is_said_to_be_gone(side):
    """With the oldest position that is left; who asks for no position begins there."""
    side.projection.commit(item(1), item(BLOCK), position=BLOCK, trimmed=BLOCK - 1)

    with pytest.raises(ChangesTrimmed) as gone:
        await found(side, after=BLOCK - 2)

    assert gone.value.oldest == BLOCK
    assert await found(side, after=BLOCK - 1) == ([BLOCK], BLOCK)
    assert await found(side) == ([BLOCK], BLOCK)


async def test_before_the_first_fill_there_is_no_feed(side):
    with pytest.raises(NeverFilled):
        await side.views.changes(ChangeQuery())
