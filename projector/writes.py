"""The one order in which a commit is written, whatever the store."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import msgspec

from projector.ports import Batch
from projector.projection import Key, LookUp
from shared.keys import GenerationKeys


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
class Set:
    """Set a string."""

    key: str
    value: bytes


Write: TypeAlias = Put | Remove | Set


def by_hash(look_ups: Iterable[LookUp]) -> Mapping[str, list[str]]:
    """The values to be looked up, by the hash they are in."""
    values: dict[str, list[str]] = {}
    for by, value in dict.fromkeys(look_ups):
        values.setdefault(by, []).append(value)
    return values


def without_taken(batch: Batch, owners: Mapping[LookUp, str | None]) -> Batch:
    """
    The batch without removals of entries that lead to another document by now.

    An entry that leads nowhere is removed all the same: after two crashes the head of a transaction that was dropped
    at the first restart may turn up before this one at the second, and have put it there.
    """
    leaving = {(entry, str(owner)) for entry, owner in batch.removals}
    mine = [each for each in batch.removals if (owner := owners[each[0]]) is None or (each[0], owner) in leaving]
    return replace(batch, removals=mine)


def writes(batch: Batch, keys: GenerationKeys) -> Iterator[Write]:
    """
    Everything a batch writes: removals, additions, documents, checkpoint.

    A crash that lets any prefix of it survive is harmless only in this order: see `Batch`.
    """
    for by, values in by_hash(entry for entry, _ in batch.removals).items():
        yield Remove(keys.look_up(by), values)
    owners = {entry: str(owner).encode() for entry, owner in batch.additions}
    for by, values in by_hash(owners).items():
        yield Put(keys.look_up(by), {value: owners[LookUp(by, value)] for value in values})
    yield from _documents(batch.public, keys, variant="public")
    yield from _documents(batch.full, keys, variant="full")
    for kind, ids in _by_kind(batch.forgotten).items():
        yield Remove(keys.documents(kind, "public"), ids)
        yield Remove(keys.documents(kind, "full"), ids)
    yield Set(keys.checkpoint, msgspec.json.encode(batch.checkpoint))


def _documents(envelopes: Mapping[Key, bytes], keys: GenerationKeys, *, variant: str) -> Iterator[Put]:
    for kind in _by_kind(envelopes):
        fields = {str(key.id): envelope for key, envelope in envelopes.items() if key.kind == kind}
        yield Put(keys.documents(kind, variant), fields)


def _by_kind(keys: Iterable[Key]) -> Mapping[str, list[str]]:
    ids: dict[str, list[str]] = {}
    for key in keys:
        ids.setdefault(key.kind, []).append(str(key.id))
    return ids
