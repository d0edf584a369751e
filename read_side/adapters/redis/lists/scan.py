"""Going along a list that is in the order asked for, until a page is full."""

from collections.abc import Sequence
from typing import NamedTuple

from read_side.adapters.redis.lists.index_rows import INDEX_ROWS, fields, places
from read_side.adapters.redis.lists.query import ListQuery
from read_side.adapters.redis.lists.range_scan import Chunk, RangeScan
from read_side.adapters.redis.transport.consistent_read import ConsistentRead
from read_side.adapters.redis.transport.reads import Range
from shared.read_model.ordering import id_at

MOST_LOOKED_AT = 10_000
"""Entries that one page looks at; a page may be short because of it, and says where to go on."""

FIRST_CHUNK, GREATEST_CHUNK = 100, 500
"""Candidates whose index rows are read in one trip; each trip may be twice as long as the one before."""

WORDS_A_RECORD, FEWEST_WORDS = 4, 200
"""How many entries of the index by word are read for each record wanted, since several words of one may begin alike."""


class Found(NamedTuple):
    """
    What a page is to show.

    :param after: where the next one begins; None if there is none.
    """

    places: Sequence[bytes]
    after: bytes | None


class Scan:
    """
    One page of a course.

    :param checked: whether there are filters that the course does not know of, so that index rows have to be looked at.
    """

    def __init__(self, journey: ConsistentRead, asked: ListQuery, course: RangeScan, *, checked: bool) -> None:
        self._journey = journey
        self._list_query = asked
        self._range_scan = course
        self._checked = checked
        self._size = _first_size(asked, course, checked=checked)

    async def found(self) -> Found:
        found: list[bytes] = []
        looked_at, limit = 0, self._list_query.limit
        stretch = await self._stretch(self._list_query.after)
        while True:
            looked_at += stretch.read
            is_last = stretch.end is None or looked_at >= MOST_LOOKED_AT
            fitting, following = await self._fitting(stretch, go_on=not is_last)
            found += fitting
            if len(found) > limit:
                return Found(found[:limit], found[limit - 1])
            if is_last:
                return Found(found, stretch.end)
            stretch = following or await self._stretch(stretch.end)

    async def _fitting(self, stretch: Chunk, *, go_on: bool) -> tuple[Sequence[bytes], Chunk | None]:
        """Those of a stretch that fit; if that takes a trip, the next stretch travels along."""
        if not self._checked or not stretch.places:
            return stretch.places, None
        ids, size = list(map(id_at, stretch.places)), self._size
        ahead = self._ranges(stretch.end) if go_on else []
        index_rows, *replies = (await self._journey.ask(reads=(fields(INDEX_ROWS, ids), *ahead))).replies
        stand = places(self._list_query, ids, index_rows)
        fitting = [place for place, at in zip(stretch.places, stand, strict=True) if at == place]
        return fitting, self._read(replies, size) if ahead else None

    async def _stretch(self, after: bytes | None) -> Chunk:
        size = self._size
        return self._read((await self._journey.ask(reads=self._ranges(after))).replies, size)

    def _ranges(self, after: bytes | None) -> Sequence[Range]:
        ranges = self._range_scan.ranges(after=after, limit=self._size, descending=self._list_query.descending)
        self._size = max(self._size, min(2 * self._size, GREATEST_CHUNK))
        return ranges

    def _read(self, replies: Sequence[Sequence[bytes]], size: int) -> Chunk:
        return self._range_scan.chunk(replies, limit=size, descending=self._list_query.descending)


def _first_size(asked: ListQuery, course: RangeScan, *, checked: bool) -> int:
    wanted = asked.limit + 1
    if course.word:
        wanted = max(WORDS_A_RECORD * wanted, FEWEST_WORDS)
    return min(max(wanted, FIRST_CHUNK), GREATEST_CHUNK) if checked else wanted
