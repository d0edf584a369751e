"""Putting into order what is not kept in the order asked for."""

from collections.abc import Sequence

from read_side.adapters.redis.lists.index_rows import INDEX_ROWS, fields, places
from read_side.adapters.redis.lists.query import ListQuery
from read_side.adapters.redis.lists.range_scan import RangeScan
from read_side.adapters.redis.lists.scan import Found
from read_side.adapters.redis.transport.consistent_read import ConsistentRead
from shared.read_model.ordering import id_at

MOST_SORTED = 10_000
"""Records that are put into order for a page."""

MOST_READ = 40_000
"""Entries that are read to find them: a record has several if several of its words begin alike."""

CHUNK, SHEETS_CHUNK = 1000, 500
"""Entries, and index rows, that are read in one trip."""


class TooManyToSort(Exception):
    """
    They are too many.

    :param records: whether there are too many records; otherwise only so many entries that nobody knows.
    """

    def __init__(self, *, records: bool) -> None:
        super().__init__("More than can be put into order")
        self.records = records


async def gather(journey: ConsistentRead, asked: ListQuery, course: RangeScan) -> Found:
    """
    Find a page among all that stand on a course, in whatever order.

    :raises TooManyToSort: there are too many.
    """
    ids, there = await _ids(journey, course), set[bytes]()
    for nth in range(0, len(ids), SHEETS_CHUNK):
        chunk = ids[nth : nth + SHEETS_CHUNK]
        (index_rows,) = (await journey.ask(reads=(fields(INDEX_ROWS, chunk),))).replies
        there.update(filter(None, places(asked, chunk, index_rows)))
    page = asked.page_of(there)
    return Found(page[: asked.limit], page[asked.limit - 1] if len(page) > asked.limit else None)


async def _ids(journey: ConsistentRead, course: RangeScan) -> Sequence[bytes]:
    """
    Everybody on the course.

    Between two trips a record may move on it from what is still to be read to what was read already, although its place
    in the order asked for stays the same. So if anything has moved they are read once more, and all found are taken:
    the index rows decide.
    """
    ids, moved = await _ids_once(journey, course)
    return [*dict.fromkeys([*ids, *(await _ids_once(journey, course))[0]])] if moved else ids


async def _ids_once(journey: ConsistentRead, course: RangeScan) -> tuple[Sequence[bytes], bool]:
    """Everybody met on one way along the course, and whether anything has moved meanwhile."""
    ids: dict[bytes, None] = {}
    positions: set[int] = set()
    read, after, goes_on = 0, None, True
    while goes_on:
        seen = await journey.ask(reads=course.ranges(after=after, limit=CHUNK, descending=False))
        positions.add(seen.position)
        stretch = course.chunk(seen.replies, limit=CHUNK, descending=False)
        ids.update(dict.fromkeys(map(id_at, stretch.places)))
        read, after, goes_on = read + stretch.read, stretch.end, stretch.end is not None
        if len(ids) > MOST_SORTED or (goes_on and read >= MOST_READ):
            raise TooManyToSort(records=len(ids) > MOST_SORTED)
    return list(ids), len(positions) > 1
