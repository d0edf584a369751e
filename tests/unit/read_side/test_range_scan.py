"""Lists of one sorted set are put together in order, as far as nothing can be missing."""

import pytest

from read_side.adapters.redis.lists.range_scan import RangeScan

LISTS = RangeScan("list:handle", (b"a", b"s"))


@pytest.mark.parametrize(
    ("descending", "active", "suspended", "places", "end"),
    [
        (False, [b"ab", b"ad"], [b"sc", b"se"], [b"b", b"c", b"d"], b"d"),
        (True, [b"ad", b"ab"], [b"se", b"sc"], [b"e", b"d", b"c"], b"c"),
        (False, [b"ab"], [b"sc", b"se"], [b"b", b"c", b"e"], b"e"),
        (True, [b"ad"], [b"se", b"sc"], [b"e", b"d", b"c"], b"c"),
    ],
)
def test_the_last_place_of_a_list_that_goes_on_is_told_too(descending, active, suspended, places, end):
    """The next chunk begins behind it; what stands behind it in other lists comes with that."""
    chunk = LISTS.chunk([active, suspended], limit=2, descending=descending)

    assert (chunk.places, chunk.end) == (places, end)
