"""
The change feed: every event as an item without values, in blocks of positions.

No item may come late, when readers have passed it. So nothing is parked here: an event that cannot be folded stops the
projection. What was redacted has no item, and an erasure removes those of the person, which it names by positions.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from projector.declaring.documents import Documents, Key, Kind
from projector.declaring.projection import Projection
from projector.declaring.retention import Retention, RetentionPolicy
from shared import events
from shared.event_log import RecordedEvent
from shared.read_model.changes import BLOCK, FIELDS, ChangeBlock, ChangeItem, block_at, blocks_at, microseconds

CHANGES = Kind("changes", ChangeBlock, is_tagged=False)

_IDS = frozenset({"account_id", "group_id", "membership_id"})


def block(_: object, recorded: RecordedEvent) -> Iterable[Key]:
    return (CHANGES.key(str(block_at(recorded.position))),)


def blocks_of_person(event: events.AccountErased, _: object) -> Iterable[Key]:
    return [CHANGES.key(str(each)) for each in blocks_at(event.positions)]


def add(event: Any, recorded: RecordedEvent, documents: Documents) -> None:
    name = str(block_at(recorded.position))
    before = documents.find(CHANGES, name) or ChangeBlock()
    documents.save(CHANGES, name, before.with_one_more(item_of(event, recorded)))


def remove_person(event: events.AccountErased, _: RecordedEvent, documents: Documents) -> None:
    account = event.account_id.bytes
    for name in map(str, blocks_at(event.positions)):
        before = documents.find(CHANGES, name) or ChangeBlock()
        if left := [each for each in before.unpacked() if not each.still_names(account)]:
            documents.save(CHANGES, name, ChangeBlock.of(left))
        else:
            documents.forget(CHANGES, name)


def item_of(event: events.Event, recorded: RecordedEvent) -> ChangeItem:
    """Return what the feed keeps of an event."""
    name = events.type_of(event)
    return ChangeItem(
        position=recorded.position,
        id=recorded.event_id.bytes,
        type=name,
        at=microseconds(recorded.occurred_at),
        version=recorded.version,
        account=_id(event, "account_id"),
        group=_id(event, "group_id"),
        fields=None if name in FIELDS else _given(event),
    )


def _id(event: events.Event, field: str) -> bytes | None:
    id_: UUID | None = getattr(event, field, None)
    return None if id_ is None else id_.bytes


def _given(event: events.Event) -> tuple[str, ...]:
    """Return the names of the fields that differ from their defaults, without ids."""
    unset = _DEFAULTS[type(event)]
    return tuple(name for name, default in unset.items() if getattr(event, name) != default)


def _defaults(event: type[events.Event]) -> Mapping[str, Any]:
    fields = [each for each in msgspec.structs.fields(event) if each.name not in _IDS]
    return {each.name: _default(each) for each in fields}


def _default(field: msgspec.structs.FieldInfo) -> Any:
    return field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()


_DEFAULTS: Mapping[type[events.Event], Mapping[str, Any]] = {each: _defaults(each) for each in events.EVENTS}


def newest(record: ChangeBlock) -> datetime:
    """Return the time of the last item of a block."""
    return record.unpacked()[-1].time


def changes_keeping(policy: RetentionPolicy) -> Projection:
    """Make the projection, which drops what is older or more than is kept."""
    retention = Retention(kind=CHANGES, span=BLOCK, newest=newest, policy=policy)
    made = Projection("changes", version=1, documents=(CHANGES,), parks=False, retention=retention)
    made.open(CHANGES)
    made.on(events.AccountErased, touches=blocks_of_person)(remove_person)
    for event in events.EVENTS:
        made.on(event, touches=block)(add)
    return made


changes = changes_keeping(RetentionPolicy())
