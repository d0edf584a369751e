"""Ways through the lists: ranges of one sorted set that together have what is looked for, in order."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from operator import itemgetter
from typing import NamedTuple

from read_side.adapters.redis.transport.reads import Count, Range, ends
from shared.read_model.ordering import first_matches, word_place


class Chunk(NamedTuple):
    """
    A part of a scan.

    :param places: without those that only repeat a record.
    :param end: the place where to go on; None at the end of the scan.
    :param read: how many entries it took.
    :param lists: the prefix of the list in which each of the places stands; where it is one list, this is its prefix.
    """

    places: Sequence[bytes]
    end: bytes | None
    read: int
    lists: Mapping[bytes, bytes] | bytes


class RangeScan(NamedTuple):
    """
    Lists of one sorted set, which divide the records by status; put together they are in order.

    :param of: the sorted set.
    :param prefixes: of the lists.
    :param words: what the places looked for begin with, in the index by word; each is read in each list.
    """

    of: str
    prefixes: tuple[bytes, ...]
    words: tuple[bytes, ...] = (b"",)

    def counts(self) -> list[Count]:
        return [Count(self.of, prefix + word) for prefix, word in self._parts()]

    def ranges(self, *, after: bytes | None, limit: int, descending: bool) -> list[Range]:
        """
        Ask for the next entries of each list.

        :param after: a place to go on behind; a place outside of the scan is none of it.
        """
        return [self._range(*part, after, limit, descending=descending) for part in self._parts()]

    def _parts(self) -> Iterable[tuple[bytes, bytes]]:
        return product(self.prefixes, self.words)

    def _range(self, prefix: bytes, word: bytes, after: bytes | None, limit: int, *, descending: bool) -> Range:
        low, high = ends(prefix + word)
        if descending:
            start = high if after is None or _comes_after(prefix + after, high) else b"(" + prefix + after
            return Range(self.of, start, low, limit, descending=True)
        # Behind a place, entries of the index by word have a byte more; nothing comes after it.
        tail = b"\xff" if word else b""
        start = low if after is None or prefix + after < low[1:] else b"(" + prefix + after + tail
        return Range(self.of, start, high, limit)

    def chunk(self, results: Sequence[Sequence[bytes]], *, limit: int, descending: bool) -> Chunk:
        """
        Put together what `ranges` were answered.

        Where a list goes on, nothing is known of what stands behind the last of its entries, in the other lists too.
        """
        replies = [(reply, *part) for reply, part in zip(results, self._parts(), strict=True)]
        going_on = [_place(reply[-1], prefix, word) for reply, prefix, word in replies if len(reply) == limit]
        end = (max if descending else min)(going_on, default=None)
        if len(replies) == 1:  # it is in order already
            return Chunk(_places(*replies[0]), end, len(results[0]), self.prefixes[0])
        lists = {place: prefix for reply, prefix, word in replies for place in _places(reply, prefix, word)}
        return Chunk(_up_to(end, lists, descending=descending), end, sum(map(len, results)), lists)


def _up_to(end: bytes | None, places: Iterable[bytes], *, descending: bool) -> Sequence[bytes]:
    """Put places into order, without those behind the end."""
    in_order = sorted(places, reverse=descending)
    if end is None:
        return in_order
    return [each for each in in_order if (each >= end if descending else each <= end)]


def _places(entries: Sequence[bytes], prefix: bytes, word: bytes) -> Sequence[bytes]:
    if not word:
        return list(map(itemgetter(slice(len(prefix), None)), entries))
    return first_matches(entries, len(word))


def _place(entry: bytes, prefix: bytes, word: bytes) -> bytes:
    return word_place(entry) if word else entry[len(prefix) :]


def _comes_after(entry: bytes, high: bytes) -> bool:
    return high != b"+" and entry >= high[1:]
