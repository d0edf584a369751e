"""The one order in which a commit is written, whatever the store."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import TypeAlias

import msgspec

from projector.declaring.index_entries import Entry, OwnedEntry, SortedEntry, UniqueEntry
from projector.folding.batch import Batch
from projector.folding.grouping import grouped
from projector.store.collections import StoredCollection, key_of
from shared.read_model.keys import VARIANTS, GenerationKeys


@dataclass(frozen=True, slots=True)
class Drop:
    """Remove a hash or a list."""

    key: str


@dataclass(frozen=True, slots=True)
class Put:
    """Set fields of a hash."""

    key: str
    fields: Mapping[str, bytes]


@dataclass(frozen=True, slots=True)
class Remove:
    """Remove fields from a hash."""

    key: str
    fields: Sequence[str]


@dataclass(frozen=True, slots=True)
class Enlist:
    """Add entries to a list."""

    key: str
    entries: Sequence[bytes]


@dataclass(frozen=True, slots=True)
class Strike:
    """Remove entries from a list."""

    key: str
    entries: Sequence[bytes]


@dataclass(frozen=True, slots=True)
class Set:
    """Set a string."""

    key: str
    value: bytes


Write: TypeAlias = Drop | Put | Remove | Enlist | Strike | Set


def unique_entries_in(owned: Iterable[OwnedEntry]) -> list[UniqueEntry]:
    """Return the entries that others can take: each leads to one document."""
    return [entry for entry, _ in owned if isinstance(entry, UniqueEntry)]


def without_taken(batch: Batch, owners: Mapping[UniqueEntry, str | None]) -> Batch:
    """
    The batch without removals of unique entries that lead to another document by now.

    An entry that leads nowhere is removed all the same: after two crashes the head of a transaction that was dropped
    at the first restart may turn up before this one at the second, and have put it there.
    """
    if not owners:
        return batch
    leaving = set(batch.removals)

    def is_free(entry: Entry) -> bool:
        owner = owners.get(entry) if isinstance(entry, UniqueEntry) else None
        return owner is None or (entry, owner) in leaving

    return replace(batch, removals=[each for each in batch.removals if is_free(each[0])])


def drops(batch: Batch, keys: GenerationKeys, collections: Iterable[StoredCollection]) -> Iterator[Write]:
    """
    Everything that goes before a batch is written, if that begins the generation anew.

    :param collections: all that the generation has.
    """
    return (Drop(key_of(each, keys)) for each in collections) if batch.anew else iter(())


def writes(batch: Batch, keys: GenerationKeys) -> Iterator[Write]:
    """
    Everything a batch writes: removals, additions, documents, strays, what is parked, checkpoint.

    A crash that lets any prefix of it survive is harmless only in this order: see `Batch`.
    """
    yield from _removals(batch, keys)
    yield from _additions(batch, keys)
    yield from _documents(batch, keys)
    yield from _forgotten(batch, keys)
    yield from _strikes(batch.strays, keys)
    yield from _parked(batch, keys)
    yield Set(keys.checkpoint, msgspec.json.encode(batch.checkpoint))


def _removals(batch: Batch, keys: GenerationKeys) -> Iterator[Write]:
    for by, values in grouped(dict.fromkeys(unique_entries_in(batch.removals))).items():
        yield Remove(keys.unique_entries(by), values)
    yield from _strikes(batch.removals, keys)


def _additions(batch: Batch, keys: GenerationKeys) -> Iterator[Write]:
    owners = {entry: owner.encode() for entry, owner in batch.additions if isinstance(entry, UniqueEntry)}
    for by, values in grouped(owners).items():
        yield Put(keys.unique_entries(by), {value: owners[UniqueEntry(by, value)] for value in values})
    for by, entries in chain(grouped(_sorted_entries_in(batch.additions)).items(), batch.listed.items()):
        yield Enlist(keys.sorted_entries(by), entries)


def _documents(batch: Batch, keys: GenerationKeys) -> Iterator[Write]:
    for variant, documents in zip(VARIANTS, (batch.index_rows, batch.full), strict=True):
        by_kind = grouped((key.kind, (key.id, document)) for key, document in documents.items())
        for kind, fields in by_kind.items():
            yield Put(keys.documents(kind, variant), dict(fields))


def _forgotten(batch: Batch, keys: GenerationKeys) -> Iterator[Write]:
    yield from (Remove(keys.documents(key.kind, variant), [key.id]) for key, variant in batch.superfluous)
    for kind, ids in grouped(batch.forgotten).items():
        yield from (Remove(keys.documents(kind, variant), ids) for variant in VARIANTS)


def _strikes(owned: Iterable[OwnedEntry], keys: GenerationKeys) -> Iterator[Write]:
    for by, entries in grouped(_sorted_entries_in(owned)).items():
        yield Strike(keys.sorted_entries(by), entries)


def _parked(batch: Batch, keys: GenerationKeys) -> Iterator[Write]:
    if batch.parked:
        yield Put(keys.parked, batch.parked)
    if batch.outdated:
        yield Remove(keys.parked, list(batch.outdated))


def _sorted_entries_in(owned: Iterable[OwnedEntry]) -> Iterator[SortedEntry]:
    return (entry for entry, _ in owned if isinstance(entry, SortedEntry))
