"""Where a document is to be found, and what changes about that when the document does."""

from collections.abc import Collection, Iterator, Sequence
from itertools import chain, repeat
from typing import Any, NamedTuple
from uuid import UUID

from projector.folding.documents import Key
from projector.folding.index_entries import Entry, SortedEntry
from projector.folding.projection import Projection
from shared.read_model.ordering import WORD, IndexRow, place, word_entries


class IndexState(NamedTuple):
    """Everything that leads to a document in one of its states."""

    direct: frozenset[Entry]
    index_row: IndexRow | None


UNINDEXED = IndexState(frozenset(), None)


class Indexer:
    """Indexes the documents of one projection."""

    def __init__(self, projection: Projection) -> None:
        self._projection = projection
        self._orders = {kind.name: kind.orders for kind in projection.kinds}

    def state(self, key: Key, record: Any) -> IndexState:
        """Return where a document is found whose record is this; nowhere, if it is None."""
        if record is None:
            return UNINDEXED
        return IndexState(frozenset(self._projection.entries(key, record)), self._projection.index_row(key, record))

    def entries(self, key: Key, state: IndexState) -> Collection[Entry]:
        """List everything that leads to a document."""
        return self.crossed(key, UNINDEXED, state).keys()

    def crossed(self, key: Key, before: IndexState, now: IndexState) -> dict[Entry, bool]:
        """
        Every entry that a document leaves or takes between two states, and whether it stands there now.

        Of several states in a row each counts: an entry that was left and taken again in between is taken anew, as
        another document may have had it meanwhile, and a commit that broke off may have removed it.
        """
        gone, come = self._crossed_rows(key, before.index_row, now.index_row)
        stands = dict.fromkeys(chain(before.direct - now.direct, gone), False)
        return stands | dict.fromkeys(chain(now.direct - before.direct, come), True)

    def _crossed_rows(self, key: Key, old: IndexRow | None, new: IndexRow | None) -> tuple[set[Entry], set[Entry]]:
        """List the entries that only the old index row has, and those that only the new one has."""
        if old == new:
            return set(), set()
        orders, id_ = self._orders[key.kind], UUID(key.id)
        gone = set(_entries(old, orders, id_, unlike=new))
        come = set(_entries(new, orders, id_, unlike=old))
        return gone - come, come - gone


def _entries(row: IndexRow | None, orders: Sequence[str], id: UUID, *, unlike: IndexRow | None) -> Iterator[Entry]:
    """List the entries of an index row, without most of those that the other has too."""
    if row is None:
        return
    other = unlike if unlike and unlike.status == row.status else None
    yield from _entries_by_key(row, orders, id, other)
    if other is None or (other.words, other.keys[0]) != (row.words, row.keys[0]):
        yield from (SortedEntry(WORD, entry) for entry in word_entries(row, id))


def _entries_by_key(row: IndexRow, orders: Sequence[str], id: UUID, other: IndexRow | None) -> Iterator[Entry]:
    """List those in the order of each key: of a key that the other has too, only those of other facets."""
    prefixes, others = row.prefixes(), other.prefixes() if other else ()
    new_prefixes = [each for each in prefixes if each not in others]
    for order, key, other_key in zip(orders, row.keys, other.keys if other else repeat(None), strict=False):
        if crossing := new_prefixes if key == other_key else prefixes:
            stands_at = place(key, id)
            yield from [SortedEntry(order, prefix + stands_at) for prefix in crossing]
