"""
How a page is found: along a list that is in the order asked for, or by putting a small one into order.

The index by word is in the order of words only, the lists of facets in that of names, and that of everybody in each but
the order of words.
"""

from collections.abc import Sequence
from contextlib import suppress
from itertools import compress
from math import ceil, prod
from typing import NamedTuple, Self

import msgspec

from read_side.adapters.list_query import ListLimits, ListQuery, Term
from read_side.adapters.redis.lists.lengths import ListLengths
from read_side.adapters.redis.lists.range_scan import Chunk, RangeScan
from read_side.adapters.redis.transport.consistent_read import ConsistentRead
from read_side.adapters.redis.transport.reads import Fields, Range, Read, Scores
from shared.errors import Unavailable
from shared.read_model.ordering import EVERYBODY, WORD, IndexRow, id_at, name_place, names_at

INDEX_ROWS = "index rows"
"""What a view that has lists calls the hash of its index rows."""

_decode = msgspec.msgpack.Decoder(IndexRow).decode


class Places(NamedTuple):
    """
    The places of the records that a page shows.

    :param after: where the next one begins; None if there is none.
    """

    places: Sequence[bytes]
    after: bytes | None


NOTHING = Places((), None)


def fields(of: str, ids: Sequence[bytes]) -> Fields:
    """Read what a hash has of these ids."""
    return Fields(of, tuple(names_at(ids)))


def places_of(query: ListQuery, ids: Sequence[bytes], rows: Sequence[bytes | None]) -> list[bytes | None]:
    """Where each of these records stands; None for those that do not fit, or are not there."""
    for each in query.beginnings:
        rows = [row if row is not None and each in row else None for row in rows]
    return [None if row is None else query.place_of(_row(row), own) for own, row in zip(ids, rows, strict=True)]


def _row(stored: bytes) -> IndexRow:
    try:
        return _decode(stored)
    except msgspec.MsgspecError as error:
        raise Unavailable("An index row cannot be read") from error


class TooManyToSort(Exception):
    """
    More records match than can be sorted.

    :param records: whether there are too many records; otherwise only so many that it is unknown.
    """

    def __init__(self, *, records: bool) -> None:
        super().__init__("More than can be put into order")
        self.records = records


class Search:
    """The search for one page."""

    def __init__(self, read: ConsistentRead, query: ListQuery, lengths: ListLengths) -> None:
        self._read, self._query = read, query
        self._limits, self._lengths = lengths.limits, lengths

    async def page(self) -> Places:
        """
        Find which places the page shows.

        :raises QueryTooBroad: see `read_side.views.ProfileViews.list`.
        """
        query = self._query
        if query.finds_nothing:
            return NOTHING
        if query.key is None:
            return await self._by_word()
        if query.terms or (query.facets and not query.is_by_name):
            return await self._sorted()
        facets = self._facets() or [self._everybody()]
        *lengths, total = (
            await self._lengths.of(self._read, [*facets, self._everybody()]) if len(facets) > 1 else (0, 0)
        )
        return await self._along_facet(facets, lengths, total)

    async def _by_word(self) -> Places:
        """In the order of the words that match: along their index, or from a much narrower list."""
        lead = self._term(self._query.lead)
        others = [self._term(term) for term in self._query.terms if term != self._query.lead]
        others += self._facets()
        if not others:
            return await self._along(lead)
        length, *lengths, total = await self._lengths.of(self._read, [lead, *others, self._everybody()])
        shortest = min(lengths)
        if shortest <= self._limits.gathered and shortest * self._limits.narrower <= length:
            with suppress(TooManyToSort):  # it has grown since
                return await self._gather(others[lengths.index(shortest)])
        return await self._along(lead, self._query.facets, chance=_chance(lengths, total))

    async def _sorted(self) -> Places:
        """Records that words or facets find, in an order in which these have no list."""
        query, facets, everybody = self._query, self._facets(), self._everybody()
        scans = [*facets, *map(self._term, query.terms)]
        *lengths, total = (
            await self._lengths.of(self._read, [*scans, everybody]) if len(scans) > 1 or facets else (0, 0)
        )
        nth, chance = lengths.index(min(lengths)), _chance(lengths, total)
        if nth >= len(facets) or self._is_small(lengths[nth], chance):
            with suppress(TooManyToSort):
                return await self._gathered(scans[nth])
        # So many match that those who fit are not far apart. Where they are, pages are short.
        if facets and query.is_by_name:
            return await self._along_facet(facets, lengths[: len(facets)])
        return await self._along(everybody, query.facets, chance=chance, length=total)

    def _is_small(self, length: int, chance: float) -> bool:
        """Whether to put the people of a facet into order takes no more of them than to look for them along a list."""
        candidates = self._limits.candidates(self._query.limit + 1, chance)
        return not self._query.is_by_name and length <= candidates

    async def _gathered(self, scan: RangeScan) -> Places:
        """:raises QueryTooBroad: too many match, and there is no other way to them."""
        try:
            return await self._gather(scan)
        except TooManyToSort as error:
            if error.records and self._query.is_one_word:
                raise self._limits.too_broad() from error
            raise

    async def _along_facet(self, scans: Sequence[RangeScan], lengths: Sequence[int], total: int = 0) -> Places:
        """
        Along the narrowest of the lists of the query's facets, or that of everybody.

        :param total: how many records there are in all; 0 where that is unknown.
        """
        nth, facets = lengths.index(min(lengths)), self._query.facets
        chance = _chance([*lengths[:nth], *lengths[nth + 1 :]], total)
        return await self._along(scans[nth], (*facets[:nth], *facets[nth + 1 :]), chance=chance, length=lengths[nth])

    async def _along(
        self, scan: RangeScan, facets: Sequence[bytes] = (), *, chance: float = 1.0, length: int = 0
    ) -> Places:
        """
        :param facets: those that not all of the scan have.
        :param chance: that the filters let a record pass.
        :param length: of what is scanned; 0 where that is unknown.
        """
        filters = Filters.of_scan(self._query, scan, facets)
        if filters.index_rows and self._query.terms:
            chance = self._limits.chance
        return await PageScan(self._read, self._query, self._limits, scan, filters, chance=chance, length=length).page()

    def _facets(self) -> list[RangeScan]:
        return [self._scan(self._query.by_name, facet) for facet in self._query.facets]

    def _everybody(self) -> RangeScan:
        return self._scan(self._query.order, EVERYBODY)

    def _term(self, term: Term) -> RangeScan:
        return self._scan(WORD, b"")._replace(words=tuple(map(str.encode, term.beginnings)))

    def _scan(self, of: str, facet: bytes) -> RangeScan:
        return RangeScan(of, tuple(facet + status for status in self._query.statuses))

    async def _gather(self, scan: RangeScan) -> Places:
        """
        Find the page among all that a scan meets, in whatever order.

        :raises TooManyToSort: there are too many.
        """
        ids, there, size = await self._ids(scan), set[bytes](), self._limits.rows_chunk
        for nth in range(0, len(ids), size):
            chunk = ids[nth : nth + size]
            (rows,) = (await self._read.ask(reads=(fields(INDEX_ROWS, chunk),))).results
            there.update(filter(None, places_of(self._query, chunk, rows)))
        page, limit = self._query.page_of(there), self._query.limit
        return Places(page[:limit], page[limit - 1] if len(page) > limit else None)

    async def _ids(self, scan: RangeScan) -> Sequence[bytes]:
        """
        All records that a scan meets.

        Between two trips one may move from what is still to be read to what was read already, although its place in the
        order asked for stays the same. So if anything has moved they are read once more, and all met are taken: the
        index rows decide.
        """
        ids, moved = await self._ids_once(scan)
        return [*dict.fromkeys([*ids, *(await self._ids_once(scan))[0]])] if moved else ids

    async def _ids_once(self, scan: RangeScan) -> tuple[Sequence[bytes], bool]:
        """All records that a scan meets once, and whether anything has moved meanwhile."""
        limits, ids = self._limits, dict[bytes, None]()
        read, after, goes_on, moves = 0, None, True, self._read.moves
        while goes_on:
            reply = await self._read.ask(reads=scan.ranges(after=after, limit=limits.chunk, descending=False))
            chunk = scan.chunk(reply.results, limit=limits.chunk, descending=False)
            ids.update(dict.fromkeys(map(id_at, chunk.places)))
            read, after, goes_on = read + chunk.read, chunk.end, chunk.end is not None
            if len(ids) > limits.sorted or (goes_on and read >= limits.read):
                raise TooManyToSort(records=len(ids) > limits.sorted)
        return list(ids), moves != self._read.moves


class Filters(NamedTuple):
    """
    What a scan does not know of its candidates.

    :param index_rows: whether it takes their index rows to tell: of words, and of facets where they stand in an order
        in which these have no list.
    :param of: otherwise, the sorted set in which they have an entry for each facet…
    :param facets: …and the facets.
    :param by_word: whether the scan is of the index by word, where a place begins with one.
    """

    index_rows: bool
    of: str
    facets: Sequence[bytes]
    by_word: bool

    @classmethod
    def of_scan(cls, query: ListQuery, scan: RangeScan, facets: Sequence[bytes]) -> Self:
        """:param facets: those that not all of the scan have."""
        by_word = scan.of == WORD
        if by_word:
            index_rows = len(query.terms) > 1 or query.lead.is_parted
        else:
            index_rows = bool(query.terms) or (bool(facets) and scan.of != query.by_name)
        return cls(index_rows, query.by_name, facets, by_word)

    def __bool__(self) -> bool:
        return self.index_rows or bool(self.facets)

    def reads(self, chunk: Chunk) -> list[Read]:
        """Ask for what tells which candidates fit."""
        if self.index_rows:
            return [fields(INDEX_ROWS, chunk.places)]
        places, lists = tuple(map(name_place, chunk.places) if self.by_word else chunk.places), chunk.lists
        if isinstance(lists, bytes):
            return [Scores(self.of, facet + lists[-1:], places) for facet in self.facets]
        of_status = zip(chunk.places, places, strict=True)
        places = tuple(lists[each][-1:] + place for each, place in of_status)
        return [Scores(self.of, facet, places) for facet in self.facets]

    def fitting(self, query: ListQuery, chunk: Chunk, results: Sequence[Sequence[bytes | None]]) -> list[bytes]:
        """
        Return the places of those that fit.

        :param results: what `reads` were answered.
        """
        if not self.index_rows:
            fits = results[0] if len(results) == 1 else map(all, zip(*results, strict=True))
            return list(compress(chunk.places, fits))  # a score is b"0" in RESP2
        stand = places_of(query, list(map(id_at, chunk.places)), results[0])
        return [place for place, at in zip(chunk.places, stand, strict=True) if at == place]


class PageScan:
    """
    Going along a list that is in the order asked for, until a page is full.

    :param filters: what the scan does not know of.
    :param length: of the scan; 0 where that is unknown.
    """

    def __init__(
        self,
        read: ConsistentRead,
        query: ListQuery,
        limits: ListLimits,
        scan: RangeScan,
        filters: Filters,
        *,
        chance: float,
        length: int,
    ) -> None:
        self._read, self._query, self._limits, self._scan = read, query, limits, scan
        self._filters, self._length = filters, length
        self._found: list[bytes] = []
        self._expect(chance if scan.words == (b"",) else chance / limits.words_a_record)

    async def page(self) -> Places:
        found, looked_at, limit = self._found, 0, self._query.limit
        chunk = await self._chunk(self._query.after)
        while True:
            looked_at += chunk.read
            is_last = chunk.end is None or looked_at >= self._limits.looked_at
            fitting, following = await self._fitting(chunk, go_on=not is_last)
            found += fitting
            if len(found) > limit:
                return Places(found[:limit], found[limit - 1])
            if is_last:
                return Places(found, chunk.end)
            self._expect(len(fitting) / chunk.read)
            chunk = following or await self._chunk(chunk.end)

    def _expect(self, chance: float) -> None:
        """
        Read so many entries next that the page will probably be full.

        :param chance: that an entry is one of a record that fits.
        """
        limits, missing = self._limits, self._query.limit + 1 - len(self._found)
        likely = missing if chance == 1 else max(limits.candidates(missing, chance), limits.fewest)
        if likely <= self._length < limits.spare * likely:
            likely = self._length + 1  # all of it: a trip for what is left would cost more
        self._chance, self._size = chance, min(ceil(likely), limits.greatest_chunk)

    async def _fitting(self, chunk: Chunk, *, go_on: bool) -> tuple[Sequence[bytes], Chunk | None]:
        """Return the records of a chunk that fit; if that takes a trip, a next chunk that is needed travels along."""
        if not self._filters or not chunk.places:
            return chunk.places, None
        reads, size = self._filters.reads(chunk), self._size
        is_short = len(self._found) + self._chance * chunk.read <= self._query.limit
        ahead = self._ranges(chunk.end) if go_on and is_short else []
        results = (await self._read.ask(reads=[*reads, *ahead])).results
        fitting = self._filters.fitting(self._query, chunk, results[: len(reads)])
        return fitting, self._put_together(results[len(reads) :], size) if ahead else None

    async def _chunk(self, after: bytes | None) -> Chunk:
        return self._put_together((await self._read.ask(reads=self._ranges(after))).results, self._size)

    def _ranges(self, after: bytes | None) -> Sequence[Range]:
        return self._scan.ranges(after=after, limit=self._size, descending=self._query.descending)

    def _put_together(self, results: Sequence[Sequence[bytes]], size: int) -> Chunk:
        return self._scan.chunk(results, limit=size, descending=self._query.descending)


def _chance(lengths: Sequence[int], total: int) -> float:
    """Which part of records stands in all lists of these lengths, if they are spread evenly; unknown is all."""
    return prod(length / total for length in lengths) if total else 1.0
