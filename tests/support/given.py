"""Projections that have folded events, without engine and store: what they keep then, and where it is found."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

import msgspec

from projector.declaring.documents import Documents, Key, Kind, NotPrefetched, Record
from projector.declaring.fan_out import FanOut
from projector.declaring.index_entries import Entry, SortedEntry
from projector.declaring.projection import Projection
from projector.folding.index_changes import Indexer
from shared.event_log import RecordedEvent


class Given(Documents):
    """
    Documents as a projection makes them, one event after the other.

    It is as strict as the engine: what is not named beside a reaction cannot be touched. What an event does to many is
    done at once, and is seen to concern exactly the documents that its list leads to.
    """

    def __init__(self, projection: Projection, events: Iterable[RecordedEvent] = ()) -> None:
        self._projection = projection
        self._indexer = Indexer(projection)
        self._records: dict[Key, Any] = {}
        self._named: set[Key] | None = None
        for recorded in events:
            self.fold(recorded)

    def fold(self, recorded: RecordedEvent) -> None:
        self._named = None
        self._named = self._projection.plan.touched(recorded).all()
        self._projection.react(recorded, self)
        if fan_out := self._projection.fan_out(recorded.event):
            self._fan_out(fan_out)

    def find(self, kind: Kind[Record], id: UUID | str) -> Record | None:
        return self._records.get(self._open(kind.key(id)))

    def save(self, kind: Kind[Record], id: UUID | str, record: Record) -> None:
        self._records[self._open(kind.key(id))] = record

    def forget(self, kind: Kind[Record], id: UUID | str) -> None:
        self._records.pop(self._open(kind.key(id)), None)

    def all(self, kind: Kind[Record]) -> dict[str, Record]:
        """Every record of a kind, by id."""
        return {key.id: record for key, record in self._records.items() if key.kind == kind.name}

    def entries(self, kind: Kind[Any], id: UUID | str) -> set[Entry]:
        """Where a record is found, those entries included that the engine makes of its index row."""
        return self._entries(kind.key(id), self._records[kind.key(id)])

    def _open(self, key: Key) -> Key:
        if self._named is not None and key not in self._named:
            raise NotPrefetched(key)
        return key

    def _entries(self, key: Key, record: Any) -> set[Entry]:
        return set(self._indexer.change(key, None, record)[1])

    def _fan_out(self, fan_out: FanOut) -> None:
        before = {Key(fan_out.kind.name, name): record for name, record in self.all(fan_out.kind).items()}
        after = {key: fan_out.revise(key.id, record) for key, record in before.items()}
        assert self._led_to(fan_out, before) == {key for key, record in before.items() if after[key] is not record}
        if not fan_out.reindexes:
            assert all(self._entries(key, before[key]) == self._entries(key, record) for key, record in after.items())
        self._records |= after
        self._records = {key: record for key, record in self._records.items() if record is not None}

    def _led_to(self, fan_out: FanOut, records: dict[Key, Any]) -> set[Key]:
        """The documents that entries of the list lead to."""
        entries = [each for key, record in records.items() for each in self._entries(key, record)]
        listed = [each.entry for each in entries if isinstance(each, SortedEntry) and each.by == fan_out.by]
        return {fan_out.key(each) for each in listed if each.startswith(fan_out.prefix)}


def difference(one: msgspec.Struct, other: msgspec.Struct) -> dict[str, Any]:
    """The fields in which a record differs, with their new values."""
    return {name: getattr(other, name) for name in one.__struct_fields__ if getattr(one, name) != getattr(other, name)}
