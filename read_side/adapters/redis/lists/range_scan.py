"""Ways through the lists: ranges of one sorted set that together have what is looked for, in order."""

from collections.abc import Sequence
from typing import NamedTuple

from read_side.adapters.redis.transport.reads import Count, Range, ends
from shared.read_model.ordering import is_first_match, merged, word_place


class Chunk(NamedTuple):
    """
    A part of a scan.

    :param places: without those that only repeat a record.
    :param end: the place where to go on; None at the end of the scan.
    :param read: how many entries it took.
    """

    places: Sequence[bytes]
    end: bytes | None
    read: int


class RangeScan(NamedTuple):
    """
    Lists of one sorted set, which divide the records by status; put together they are in order.

    :param of: the sorted set.
    :param prefixes: of the lists.
    :param word: what the places looked for begin with, in the index by word.
    """

    of: str
    prefixes: tuple[bytes, ...]
    word: bytes = b""

    def counts(self) -> list[Count]:
        return [Count(self.of, prefix + self.word) for prefix in self.prefixes]

    def ranges(self, *, after: bytes | None, limit: int, descending: bool) -> list[Range]:
        """
        Ask for the next entries of each list.

        :param after: a place to go on behind; a place outside of the scan is none of it.
        """
        return [self._range(prefix, after, limit, descending=descending) for prefix in self.prefixes]

    def _range(self, prefix: bytes, after: bytes | None, limit: int, *, descending: bool) -> Range:
        low, high = ends(prefix + self.word)
        if descending:
            start = high if after is None or _comes_after(prefix + after, high) else b"(" + prefix + after
            return Range(self.of, start, low, limit, descending=True)
        start = low if after is None or prefix + after < low[1:] else b"(" + prefix + after + self._tail
        return Range(self.of, start, high, limit)

    @property
    def _tail(self) -> bytes:
        """Comes after whatever an entry has behind its place."""
        return b"\xff" if self.word else b""

    def chunk(self, results: Sequence[Sequence[bytes]], *, limit: int, descending: bool) -> Chunk:
        """
        Put together what `ranges` were answered.

        Where a list goes on, nothing is known of what stands behind the last of its entries, in the other lists too.
        """
        parts = [self._places(reply, prefix) for reply, prefix in zip(results, self.prefixes, strict=True)]
        going_on = [
            self._place(reply[-1], prefix)
            for reply, prefix in zip(results, self.prefixes, strict=True)
            if len(reply) == limit
        ]
        places, read = dict.fromkeys(merged(parts, descending=descending)), sum(map(len, results))
        if not going_on:
            return Chunk(list(places), None, read)
        end = max(going_on) if descending else min(going_on)
        known = [each for each in places if (each >= end if descending else each <= end)]
        return Chunk(known, end, read)

    def _places(self, entries: Sequence[bytes], prefix: bytes) -> Sequence[bytes]:
        if not self.word:
            return [entry[len(prefix) :] for entry in entries]
        length = len(self.word)
        return [word_place(entry) for entry in entries if is_first_match(entry, length)]

    def _place(self, entry: bytes, prefix: bytes) -> bytes:
        return word_place(entry) if self.word else entry[len(prefix) :]


def _comes_after(entry: bytes, high: bytes) -> bool:
    return high != b"+" and entry >= high[1:]
