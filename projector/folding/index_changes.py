"""Where a document is to be found, and what changes about that when the document does."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, pairwise
from typing import Any, NamedTuple
from uuid import UUID

from projector.folding.projection import Entry, Key, Kind, Projection, SortedEntry
from shared.read_model.ordering import WORD, IndexRow, place, word_entries


class IndexState(NamedTuple):
    """Everything that leads to a document in one of its states."""

    direct: frozenset[Entry]
    index_row: IndexRow | None


UNINDEXED = IndexState(frozenset(), None)


class IndexChange(NamedTuple):
    """How a document moved: the entries it has given up, those it has taken (or taken again), and its index row."""

    removals: Sequence[Entry]
    additions: Sequence[Entry]
    index_row: IndexRow | None


class Indexer:
    """Places the documents of one projection."""

    def __init__(self, projection: Projection) -> None:
        self._projection = projection
        self._kinds = {kind.name: kind for kind in projection.kinds}

    def change(self, key: Key, records: Iterable[Any], *, anew: bool) -> IndexChange:
        """
        The way from the first of a document's states to the last.

        An entry that was left and taken again on the way is taken anew: another may have had it in between, and
        a commit that broke off may have removed it.

        :param anew: take all entries of the last state, also those it had from the first.
        """
        states = [self._state(key, record) for record in records]
        stands = self._changes(key, [*states, UNINDEXED, states[-1]] if anew else states)
        return IndexChange(
            [entry for entry, is_there in stands.items() if not is_there],
            [entry for entry, is_there in stands.items() if is_there],
            states[-1].index_row,
        )

    def _state(self, key: Key, record: Any) -> IndexState:
        if record is None:
            return UNINDEXED
        return IndexState(frozenset(self._projection.entries(key, record)), self._projection.index_row(key, record))

    def _changes(self, key: Key, states: Iterable[IndexState]) -> dict[Entry, bool]:
        """Every entry that was left or taken on the way, and whether the document stands there at its end."""
        stands: dict[Entry, bool] = {}
        for before, now in pairwise(states):
            gone, come = _crossed(before.index_row, now.index_row, kind=self._kinds[key.kind], id=key.id)
            stands |= dict.fromkeys(chain(before.direct - now.direct, gone), False)
            stands |= dict.fromkeys(chain(now.direct - before.direct, come), True)
        return stands


def _crossed(
    old: IndexRow | None, new: IndexRow | None, *, kind: Kind[Any], id: str
) -> tuple[Iterable[SortedEntry], Iterable[SortedEntry]]:
    """The entries of an index row that only the old one has, and those that only the new one has."""
    if old == new:
        return (), ()
    gone = set(_entries(old, unlike=new, kind=kind, id=id))
    come = set(_entries(new, unlike=old, kind=kind, id=id))
    return gone - come, come - gone


def _entries(index_row: IndexRow | None, *, unlike: IndexRow | None, kind: Kind[Any], id: str) -> Iterator[SortedEntry]:
    """The entries of an index row, without most of those that the other has too."""
    if index_row is None:
        return
    other = unlike if unlike and unlike.status == index_row.status else None
    prefixes = index_row.prefixes()
    new_prefixes = [each for each in prefixes if each not in other.prefixes()] if other else prefixes
    account = UUID(id)
    for nth, (order, key) in enumerate(zip(kind.orders, index_row.keys, strict=True)):
        stands_at = place(key, account)
        crossing = new_prefixes if other and other.keys[nth] == key else prefixes
        yield from (SortedEntry(order, prefix + stands_at) for prefix in crossing)
    if not other or (other.words, other.keys[0]) != (index_row.words, index_row.keys[0]):
        yield from (SortedEntry(WORD, entry) for entry in word_entries(index_row, account))
