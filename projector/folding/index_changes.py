"""Where a document is to be found, and what changes about that when the document does."""

from collections.abc import Collection, Sequence
from itertools import repeat
from typing import Any, NamedTuple
from uuid import UUID

from projector.folding.documents import Key
from projector.folding.index_entries import Entry, SortedEntry, UniqueEntry
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
        self._indexes = projection.index_of
        self._orders = {kind.name: kind.orders for kind in projection.kinds}

    def state(self, key: Key, record: Any) -> IndexState:
        """Return where a document is found whose record is this; nowhere, if it is None."""
        if record is None or (index := self._indexes.get(key.kind)) is None:
            return UNINDEXED
        values = ((by, form, getattr(record, field)) for by, field, form in index.unique)
        direct: set[Entry] = {UniqueEntry(by, form(value)) for by, form, value in values if value is not None}
        if index.entries:
            direct.update(index.entries(key.id, record))
        return IndexState(frozenset(direct), index.row(record) if index.row else None)

    def change(
        self, key: Key, before: Any, now: Any, *, index: IndexState | None
    ) -> tuple[IndexState, dict[Entry, bool]]:
        """
        Return where a document is found now, and what has changed about that: see `crossed`.

        :param index: where it was found before, if that is known.
        """
        state = self.state(key, now)
        return state, self.crossed(key, index or self.state(key, before), state)

    def entries(self, key: Key, state: IndexState) -> Collection[Entry]:
        """List everything that leads to a document."""
        return self.crossed(key, UNINDEXED, state).keys()

    def crossed(self, key: Key, before: IndexState, now: IndexState) -> dict[Entry, bool]:
        """
        Every entry that a document leaves or takes between two states, and whether it stands there now.

        Of several states in a row each counts: an entry that was left and taken again in between is taken anew, as
        another document may have had it meanwhile, and a commit that broke off may have removed it.
        """
        stands = dict.fromkeys(before.direct - now.direct, False)
        stands |= dict.fromkeys(now.direct - before.direct, True)
        if before.index_row != now.index_row:
            orders, id_ = self._orders[key.kind], UUID(key.id)
            stands |= dict.fromkeys(_entries(before.index_row, orders, id_, unlike=now.index_row), False)
            stands |= dict.fromkeys(_entries(now.index_row, orders, id_, unlike=before.index_row), True)
        return stands


def _entries(row: IndexRow | None, orders: Sequence[str], id: UUID, *, unlike: IndexRow | None) -> list[Entry]:
    """List the entries of an index row that the other does not have."""
    if row is None:
        return []
    if unlike is None or unlike.status != row.status:
        return [*_entries_by_key(row, orders, id), *_entries_by_word(row, id)]
    entries = _entries_by_key(row, orders, id, unlike)
    if row.keys[0] != unlike.keys[0]:
        entries += _entries_by_word(row, id)
    elif row.words != unlike.words:
        others = {*_entries_by_word(unlike, id)}
        entries += [each for each in _entries_by_word(row, id) if each not in others]
    return entries


def _entries_by_key(row: IndexRow, orders: Sequence[str], id: UUID, unlike: IndexRow | None = None) -> list[Entry]:
    """List those in the order of each key: of a key that the other has too, only those of other facets."""
    prefixes, end, entries = row.prefixes(), place(b"", id), list[Entry]()
    others = frozenset(unlike.prefixes() if unlike else ())
    new_prefixes = [each for each in prefixes if each not in others]
    for order, key, other_key in zip(orders, row.keys, unlike.keys if unlike else repeat(None), strict=False):
        if crossing := new_prefixes if key == other_key else prefixes:
            stands_at = key + end
            entries += [_new(SortedEntry, (order, prefix + stands_at)) for prefix in crossing]
    return entries


def _entries_by_word(row: IndexRow, id: UUID) -> list[Entry]:
    return [_new(SortedEntry, (WORD, entry)) for entry in word_entries(row, id)]


_new = tuple.__new__
"""What a named tuple's own constructor calls, for entries of which there are very many."""
