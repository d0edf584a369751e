"""What a list is asked, in terms of index rows and places: one meaning for every adapter, and for people and groups."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Self
from uuid import UUID

import msgspec

from read_side.views import GroupQuery, ProfileQuery, QueryTooBroad
from shared.read_model.ordering import (
    ANY_STATUS,
    GROUP_ORDERS,
    NUL,
    PROFILE_ORDERS,
    STATUSES,
    IndexRow,
    group_facet,
    tag_facet,
)
from shared.text import composed, parts_of


@dataclass(frozen=True, slots=True, kw_only=True)
class ListLimits:
    """The cost that finding one page may have."""

    sorted: int = 10_000
    """Records that are put into order for a page."""
    read: int = 40_000
    """Entries that are read to find them: a record has several if several of its words begin alike."""
    chunk: int = 1000
    """Entries that are read in one trip to put records into order."""
    rows_chunk: int = 500
    """Index rows that are read in one trip then."""
    gathered: int = 2500
    """Records of a narrow list that are put into order, rather than looked for along one that is in order…"""
    narrower: int = 4
    """…and has this many times as many."""
    looked_at: int = 10_000
    """Entries that one page looks at; a page may be short because of it, and says where to go on."""
    fewest: int = 100
    greatest_chunk: int = 500
    """Entries that are read in one trip to find those that fit, at least and at most…"""
    spare: float = 1.25
    """…and how many more than are expected to be enough."""
    chance: float = 0.25
    """That a candidate fits whose index row has to be looked at."""
    words_a_record: int = 2
    """Entries of the index by word that are read for each record wanted: several words of one may begin alike."""
    remembered: float = 1.0
    """Seconds for which it is remembered how long a list is, which only says how a page is looked for…"""
    lengths: int = 1000
    """…and of how many lists; of more, all are forgotten."""

    def candidates(self, wanted: int, chance: float) -> float:
        """How many are likely to have so many among them that fit."""
        return self.spare * wanted / max(chance, 1e-9)

    def too_broad(self) -> QueryTooBroad:
        return QueryTooBroad(f"More than {self.sorted:,} match")


class Term(NamedTuple):
    """
    A text that a word of a record begins with, or that several words begin with, a part each.

    :param beginnings: a record that matches has a word that begins with one of these, and none of them with another.
    """

    whole: str
    parts: tuple[str, ...]
    beginnings: tuple[str, ...]

    @classmethod
    def of(cls, text: str) -> Self:
        parts = tuple(parts_of(text))
        whole, longest = "".join(parts), max(parts, key=len, default="")
        return cls(whole, parts, (longest,) if whole.startswith(longest) else (whole, longest))

    def selectivity(self) -> int:
        """How many letters a match shares with it at least."""
        return len(self.beginnings[-1])

    @property
    def is_parted(self) -> bool:
        """Whether not every word that begins like this is a match."""
        return len(self.parts) > 1

    def matched(self, row: IndexRow) -> bytes | None:
        """The first of a record's words that begins like this, None if it does not match."""
        if not self.is_parted:
            return row.matched(self.whole)
        if row.matched(self.whole) is None and None in map(row.matched, self.parts):
            return None
        return min(filter(None, map(row.matched, self.beginnings)))


class ListQuery(msgspec.Struct, frozen=True, kw_only=True):
    """
    A query for records in an order.

    :param statuses: the bytes that divide each list; a record has one of them.
    :param facets: it has all of them.
    :param terms: it matches all of them; the most selective first.
    :param order: the sorted set whose order is asked for; that of names if `key` is None.
    :param by_name: the sorted set in the order of names, the only one in which there is a list of each facet.
    :param key: which of an index row's keys makes that order; None: the word that `lead` begins, then the name.
    """

    statuses: tuple[bytes, ...]
    facets: tuple[bytes, ...] = ()
    terms: tuple[Term, ...] = ()
    order: str
    by_name: str
    key: int | None
    descending: bool
    limit: int
    after: bytes | None

    @classmethod
    def of_profiles(cls, query: ProfileQuery, *, group: UUID | None = None) -> Self:
        """:param group: the group to which they belong; that of the query, which may be named by its slug."""
        facets = [] if group is None else [group_facet(group)]
        facets += [tag_facet(tag) for tag in query.tags]
        statuses = tuple(STATUSES[status] for status in query.statuses)
        return cls._of(query, orders=PROFILE_ORDERS, statuses=statuses, facets=tuple(dict.fromkeys(facets)))

    @classmethod
    def of_groups(cls, query: GroupQuery) -> Self:
        return cls._of(query, orders=GROUP_ORDERS, statuses=(ANY_STATUS,))

    @classmethod
    def _of(
        cls,
        query: ProfileQuery | GroupQuery,
        *,
        orders: Sequence[str],
        statuses: tuple[bytes, ...],
        facets: tuple[bytes, ...] = (),
    ) -> Self:
        terms = dict.fromkeys(map(Term.of, filter(None, query.words)))
        order = query.order or orders[0]
        by_word = query.order is None and terms
        return cls(
            statuses=statuses,
            facets=facets,
            terms=tuple(sorted(terms, key=Term.selectivity, reverse=True)),
            order=order,
            by_name=orders[0],
            key=None if by_word else orders.index(order),
            descending=query.descending,
            limit=query.limit,
            after=query.after,
        )

    @property
    def lead(self) -> Term:
        """The longest of the terms, the first of equally long ones."""
        return self.terms[0]

    @property
    def is_by_name(self) -> bool:
        """Whether there is a list of each facet in the order asked for."""
        return self.order == self.by_name

    @property
    def is_one_word(self) -> bool:
        """Whether all records with a word that begins with the lead fit, and no other filter narrows them down."""
        return len(self.terms) == 1 and not self.lead.is_parted and not self.facets

    @property
    def finds_nothing(self) -> bool:
        """Whether no record can fit, whatever there is."""
        return not self.statuses or any(not term.parts or cannot_be(term.whole) for term in self.terms)

    @property
    def beginnings(self) -> list[bytes]:
        """Bytes that stand in the stored index row of each record that fits, in facets and words: seen undecoded."""
        return [*self.facets, *(NUL + term.whole.encode() for term in self.terms if not term.is_parted)]

    def place_of(self, row: IndexRow, id: bytes) -> bytes | None:
        """Where a record stands in what is asked for; None if it does not fit. Thousands may be asked for one page."""
        if row.status not in self.statuses:
            return None
        for facet in self.facets:
            if facet not in row.facets:
                return None
        for term in self.terms:
            if term.matched(row) is None:
                return None
        if self.key is not None:
            return row.keys[self.key] + NUL + id
        return (self.lead.matched(row) or b"") + NUL + row.keys[0] + NUL + id

    def page_of(self, places: Iterable[bytes]) -> list[bytes]:
        """The first of these places behind the last page, in order; one more than the page has if there is one."""
        return page_of(places, limit=self.limit, after=self.after, descending=self.descending)


def page_of(places: Iterable[bytes], *, limit: int, after: bytes | None, descending: bool = False) -> list[bytes]:
    """The first places behind another, in order; one more than `limit` if there is one."""
    behind = [each for each in places if after is None or (each < after if descending else each > after)]
    return sorted(behind, reverse=descending)[: limit + 1]


def cannot_be(*texts: str) -> bool:
    """Whether one of them stands in no list, because it has a NUL: in a prefix it would lead into another list."""
    return any("\0" in composed(text) for text in texts)
