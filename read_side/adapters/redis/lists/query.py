"""What a list is asked, in terms of lists, index rows and places: the same for people and groups."""

from collections.abc import Iterable, Sequence
from typing import Self

import msgspec

from read_side.views import GroupQuery, ProfileQuery
from shared.read_model.ordering import NUL, IndexRow
from shared.text import composed


class ListQuery(msgspec.Struct, frozen=True, kw_only=True):
    """
    Which records, in which order.

    :param statuses: the bytes that divide each list; a record has one of them.
    :param facets: it has all of them.
    :param words: it has a word that begins with each of them.
    :param order: the sorted set whose order is asked for, or, if `key` is None, any.
    :param key: which of an index row's keys makes that order; None: the word that `lead` begins, then the name.
    """

    statuses: tuple[bytes, ...]
    facets: tuple[bytes, ...] = ()
    words: tuple[str, ...] = ()
    order: str
    key: int | None
    descending: bool
    limit: int
    after: bytes | None

    @classmethod
    def of(
        cls,
        query: ProfileQuery | GroupQuery,
        *,
        orders: Sequence[str],
        statuses: tuple[bytes, ...],
        facets: tuple[bytes, ...] = (),
    ) -> Self:
        """
        Translate what a view was asked.

        :param orders: those in which the records are kept.
        """
        words = tuple(filter(None, query.words))
        order = query.order or orders[0]
        by_word = query.order is None and words
        return cls(
            statuses=statuses,
            facets=facets,
            words=words,
            order=order,
            key=None if by_word else orders.index(order),
            descending=query.descending,
            limit=query.limit,
            after=query.after,
        )

    @property
    def lead(self) -> str:
        """The longest of the words, the first of equally long ones."""
        return max(self.words, key=len)

    def place_of(self, index_row: IndexRow, id: bytes) -> bytes | None:
        """Where a record stands in what is asked for; None if it does not fit. Thousands may be asked for one page."""
        if index_row.status not in self.statuses:
            return None
        for facet in self.facets:
            if facet not in index_row.facets:
                return None
        for word in self.words:
            if index_row.matched(word) is None:
                return None
        if self.key is not None:
            return index_row.keys[self.key] + NUL + id
        return (index_row.matched(self.lead) or b"") + NUL + index_row.keys[0] + NUL + id

    def is_behind(self, place: bytes) -> bool:
        """Whether a place comes after the one where the page before ended."""
        if self.after is None:
            return True
        return place < self.after if self.descending else place > self.after

    def page_of(self, places: Iterable[bytes]) -> list[bytes]:
        """The first of these places behind the last page, in order; one more than the page has if there is one."""
        behind = [each for each in places if self.is_behind(each)]
        return sorted(behind, reverse=self.descending)[: self.limit + 1]


def cannot_be(*texts: str) -> bool:
    """Whether one of them stands in no list, because it has a NUL: in a prefix it would lead into another list."""
    return any("\0" in composed(text) for text in texts)
