"""Documents that the projector files into partitions, without any event behind them."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

import msgspec
from redis import Redis

from projector.declaring.documents import Key
from projector.declaring.index_entries import OwnedEntry, UniqueEntry
from projector.declaring.projection import Projection
from projector.folding.batch import Batch
from shared.read_model.partitions import UNIQUE_ENTRIES, Partitions
from shared.read_model.positions import Checkpoint
from tests.support.collections import Collections, Records

NAMES_OF_GROUPS = ("profiles", "group")
"""They stand in each partition, with what leads to them."""
_UNIQUE_ENTRIES = Projection(UNIQUE_ENTRIES, version=1, documents=())


class PartitionedCollections:
    """Writes documents where they belong, and what is unique about them where that does."""

    def __init__(
        self, client_of: Callable[[str], Redis], projection: Projection, partitions: Partitions, *, publish: str
    ) -> None:
        """:param client_of: gives a client of the server that has a hash tag."""
        self._name, self._partitions = projection.name, partitions
        self.parts, self.entries = (
            [Collections(client_of(each.tag), of, keyspace=each) for each in partitions.keyspaces]
            for of in (projection, _UNIQUE_ENTRIES)
        )
        for each in (*self.parts, *self.entries):
            each.publish = publish

    def save(self, records: Records, *, position: int, announce: bool = True, **more: Any) -> None:
        """Write, and bring all partitions to a position; what is unique comes last."""
        checkpoint = Checkpoint(position=position, count=position, **more)
        given_up: list[OwnedEntry] = []
        taken: list[OwnedEntry] = []
        for part, own in zip(self.parts, self._divided(records), strict=True):
            batch = part.batch(own, checkpoint)
            removals, additions = (list(filter(self._is_apart, each)) for each in (batch.removals, batch.additions))
            given_up, taken = given_up + removals, taken + additions
            part.apply(
                replace(
                    batch,
                    removals=[each for each in batch.removals if each not in removals],
                    additions=[each for each in batch.additions if each not in additions],
                )
            )
        for nth, entries in enumerate(self.entries):
            removals, additions = self._own(nth, given_up), self._own(nth, taken)
            entries.apply(Batch(removals=removals, additions=additions, checkpoint=checkpoint))
        for each in (*self.parts, *self.entries):
            each.go_live()
            if announce:
                each.announce(position)

    def _divided(self, records: Records) -> Sequence[dict[Key, msgspec.Struct | None]]:
        own: Sequence[dict[Key, msgspec.Struct | None]] = [{} for _ in self.parts]
        for key, record in records.items():
            is_everywhere = (self._name, key.kind) == NAMES_OF_GROUPS
            for nth in range(len(own)) if is_everywhere else (self._partitions.of(key.id[-36:]),):
                own[nth][key] = record
        return own

    def _is_apart(self, owned: OwnedEntry) -> bool:
        entry, _ = owned
        return isinstance(entry, UniqueEntry) and (self._name, entry.by) != ("profiles", "by-slug")

    def _own(self, nth: int, entries: Iterable[OwnedEntry]) -> Sequence[OwnedEntry]:
        return [each for each in entries if self._partitions.of_entry(*each[0]) == nth]
