"""Where a document is to be found, and what changes about that when the document does."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, NamedTuple
from uuid import UUID

from projector.declaring.documents import Key
from projector.declaring.index_entries import Entry, SortedEntry, UniqueEntry
from projector.declaring.projection import Projection, UniqueField
from shared.read_model.ordering import WORD, IndexRow, place, word_entries, word_entries_in_two


class FirstEntries(NamedTuple):
    """The index row of a document, its unique entries, and by list those that its index row does not name."""

    row: IndexRow | None
    unique: Sequence[UniqueEntry]
    listed: Mapping[str, Sequence[bytes]]

    @property
    def size(self) -> int:
        return len(self.unique) + sum(map(len, self.listed.values()))


class Indexer:
    """Indexes the documents of one projection."""

    def __init__(self, projection: Projection) -> None:
        self._indexes = projection.index_of
        self._orders = {kind.name: kind.orders for kind in projection.kinds}

    def change(
        self, key: Key, before: Any, now: Any, *, row: IndexRow | None = None
    ) -> tuple[IndexRow | None, dict[Entry, bool]]:
        """
        Compare two states of a document; None is that of one that is not there.

        Of several states in a row each counts: an entry that was left and taken again in between is taken anew, as
        another document may have had it meanwhile, and a commit that broke off may have removed it.

        :param row: the index row of the state before, if that is known.
        :returns: the index row now; every entry that was left or taken, and whether the document stands there now.
        """
        if (index := self._indexes.get(key.kind)) is None:
            return None, {}
        stands: dict[Entry, bool] = {}
        stands.update(_unique_entries(index.unique, before, now).items())
        if index.entries:
            stands |= _listed_entries(index.entries, key.id, before, now)
        if index.row is None:
            return None, stands
        if row is None and before is not None:
            row = index.row(before)
        row_now = None if now is None else index.row(now)
        if row != row_now:
            stands |= self._row_entries(key, row, row_now)
        return row_now, stands

    def first_entries(self, key: Key, record: Any) -> "FirstEntries":
        """Return the entries of a document that had none; those that its index row names, `listed` gives."""
        if (index := self._indexes.get(key.kind)) is None:
            return FirstEntries(None, (), {})
        listed = dict[str, Sequence[bytes]]()
        unique = [
            UniqueEntry(by, form(value))
            for by, field, form in index.unique
            if (value := getattr(record, field)) is not None
        ]
        for each in index.entries(key.id, record) if index.entries else ():
            if isinstance(each, SortedEntry):
                listed[each.by] = (*listed.get(each.by, ()), each.entry)
            else:
                unique.append(each)
        return FirstEntries(index.row(record) if index.row else None, unique, listed)

    def listed(self, kind: str, rows: Sequence[tuple[UUID, IndexRow]]) -> Iterator[tuple[str, Iterator[bytes]]]:
        """
        Give each list in which the documents of a kind stand by their index rows, with all entries in their order.

        Redis adds entries that come in the order of the list in half the time.
        """
        for nth, order in enumerate(self._orders[kind]):
            ends = defaultdict[bytes, list[bytes]](list)
            for at, prefixes in sorted((place(row.keys[nth], id_), row.prefixes(nth)) for id_, row in rows):
                for prefix in prefixes:
                    ends[prefix].append(at)
            yield order, _in_order(ends)
        ends = defaultdict(list)
        for id_, row in sorted(rows, key=lambda each: place(each[1].keys[0], each[0])):
            for begin, end in word_entries_in_two(row, id_):
                ends[begin].append(end)
        yield WORD, _in_order(ends)

    def _row_entries(self, key: Key, before: IndexRow | None, now: IndexRow | None) -> dict[Entry, bool]:
        orders, id_ = self._orders[key.kind], UUID(key.id)
        left = dict.fromkeys(_entries(before, orders, id_, unlike=now), False)
        return left | dict.fromkeys(_entries(now, orders, id_, unlike=before), True)


def _in_order(ends: Mapping[bytes, Sequence[bytes]]) -> Iterator[bytes]:
    """Give entries by what they begin with, where those that begin alike are in their order."""
    return chain.from_iterable([begin + end for end in ends[begin]] for begin in sorted(ends))


def _listed_entries(
    entries: Callable[[str, Any], Sequence[Entry]], id: str, before: Any, now: Any
) -> dict[Entry, bool]:
    old = () if before is None else entries(id, before)
    new = () if now is None else entries(id, now)
    come = {entry: True for entry in new if entry not in old}
    return come | {entry: False for entry in old if entry not in new}


def _unique_entries(fields: Sequence[UniqueField], before: Any, now: Any) -> dict[UniqueEntry, bool]:
    stands: dict[UniqueEntry, bool] = {}
    for by, field, form in fields:
        old, new = getattr(before, field, None), getattr(now, field, None)
        if old == new:
            continue
        gone, come = None if old is None else form(old), None if new is None else form(new)
        if gone != come:
            stands |= {
                UniqueEntry(by, value): is_now for value, is_now in ((gone, False), (come, True)) if value is not None
            }
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
    places = _places_by_key(row, orders, id, unlike).items()
    return [_new(SortedEntry, (order, entry)) for order, entries in places for entry in entries]


def _places_by_key(
    row: IndexRow, orders: Sequence[str], id: UUID, unlike: IndexRow | None = None
) -> dict[str, list[bytes]]:
    end, places = place(b"", id), dict[str, list[bytes]]()
    for nth, (order, key) in enumerate(zip(orders, row.keys, strict=True)):
        prefixes = row.prefixes(nth)
        if unlike is not None and unlike.keys[nth] == key:
            others = frozenset(unlike.prefixes(nth))
            prefixes = [each for each in prefixes if each not in others]
        if prefixes:
            stands_at = key + end
            places[order] = [prefix + stands_at for prefix in prefixes]
    return places


def _entries_by_word(row: IndexRow, id: UUID) -> list[Entry]:
    return [_new(SortedEntry, (WORD, entry)) for entry in word_entries(row, id)]


_new = tuple.__new__
"""What a named tuple's own constructor calls, for entries of which there are very many."""
