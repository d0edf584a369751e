"""What happened to each account, one item an event."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, TypeAlias
from uuid import UUID

import msgspec
from msgspec import UNSET

from projector.folding.projection import Documents, Entry, FanOut, Fetched, Key, Kind, SortedEntry
from projector.projections.group_history import GROUP, NOTHING, GroupHistory, remember
from projector.projections.group_names import names_needed
from projector.projections.times import moment_of
from shared.event_log import RecordedEvent
from shared.events import (
    AccountClosed,
    AccountErased,
    AccountRegistered,
    AccountReinstated,
    AccountSuspended,
    EmailChanged,
    Event,
    HandleChanged,
    MemberAdded,
    MemberRemoved,
    MemberRoleChanged,
    ProfileUpdated,
    type_of,
)
from shared.read_model.ordering import IndexRow
from shared.read_model.records import ActivityRecord

Details: TypeAlias = dict[str, str | tuple[str, ...] | None]
Told: TypeAlias = (
    AccountRegistered
    | HandleChanged
    | EmailChanged
    | AccountSuspended
    | AccountReinstated
    | AccountClosed
    | ProfileUpdated
    | MemberAdded
    | MemberRoleChanged
    | MemberRemoved
)
"""The events that are items; the end of a group is its own, not an item of each of its members."""


ACTIVITY = Kind("activity", ActivityRecord)
"""By position in the log, in decimal."""

HIDDEN: Mapping[str, frozenset[str]] = {
    "account-registered": frozenset({"email", "external_id"}),
    "email-changed": frozenset({"old", "new"}),
    "account-suspended": frozenset({"reason"}),
    "account-reinstated": frozenset({"reason"}),
    "account-closed": frozenset({"reason"}),
}
"""The details that only some may see, by type of event."""


class Activity:
    """
    Projects each event of an account, its profile and its memberships into an item of its own.

    Groups have the slug and name in it that they had at the time, also where the item is only folded later.
    """

    name = "activity"
    version = 2
    waits_to_read = True
    kinds: Sequence[Kind[Any]] = (ACTIVITY, GROUP)
    indexes: Collection[str] = ("activity",)

    def needs(self, recorded: RecordedEvent, fetched: Fetched) -> Iterable[Key]:  # noqa: ARG002 - events name all
        event = recorded.event
        if not isinstance(event, Told):
            return names_needed(event)
        if isinstance(event, MemberAdded | MemberRoleChanged | MemberRemoved):
            return (ACTIVITY.key(str(recorded.position)), GROUP.key(event.group_id))
        return (ACTIVITY.key(str(recorded.position)),)

    def reads(self, recorded: RecordedEvent) -> Collection[Key]:
        """What a group has been called: an item that was parked holds up nobody who joins it."""
        event = recorded.event
        return (
            (GROUP.key(event.group_id),) if isinstance(event, MemberAdded | MemberRoleChanged | MemberRemoved) else ()
        )

    def project(self, recorded: RecordedEvent, documents: Documents) -> None:
        remember(recorded, documents)
        if isinstance(event := recorded.event, Told):
            documents.save(ACTIVITY, str(recorded.position), _item(recorded, event, documents))

    def fan_out(self, event: Event) -> FanOut | None:
        """An item stays as it was, until the person it is about is erased."""
        if not isinstance(event, AccountErased):
            return None
        account_id = event.account_id
        return FanOut(
            by=ACTIVITY.name,
            prefix=account_id.bytes,
            kind=ACTIVITY,
            key=_key_at,
            revise=lambda _, item: None if item.account_id == account_id else item,
            stands=lambda _, item, entry: item is not None and entry == _entry(item),
            reindexes=True,
        )

    def index(self, key: Key, record: ActivityRecord | GroupHistory) -> Iterable[Entry]:  # noqa: ARG002 - items say it all
        if isinstance(record, ActivityRecord):
            yield SortedEntry(ACTIVITY.name, _entry(record))

    def index_row(self, record: Any) -> IndexRow | None:
        """Items stand in one order only."""

    def public(self, record: ActivityRecord | GroupHistory) -> ActivityRecord | None:
        if isinstance(record, GroupHistory):
            return None
        hidden = HIDDEN.get(record.type, frozenset())
        shown = {name: value for name, value in record.details.items() if name not in hidden}
        return msgspec.structs.replace(record, details=shown)


def _entry(item: ActivityRecord) -> bytes:
    """All of an account stand together, in their order."""
    return item.account_id.bytes + item.position.to_bytes(_POSITION, "big")


def _key_at(entry: bytes) -> Key:
    return ACTIVITY.key(str(int.from_bytes(entry[-_POSITION:], "big")))


_POSITION = 8
"""Bytes."""


def _item(recorded: RecordedEvent, event: Told, documents: Documents) -> ActivityRecord:
    return ActivityRecord(
        account_id=event.account_id,
        type=type_of(event),
        position=recorded.position,
        at=moment_of(recorded),
        actor=recorded.metadata.actor,
        details=_details(event, recorded.position, documents),
    )


def _details(event: Told, position: int, documents: Documents) -> Details:
    match event:
        case AccountRegistered(handle=handle, email=email, external_id=external_id):
            return {"handle": handle, "email": email, "external_id": external_id}
        case HandleChanged(old=old, new=new) | EmailChanged(old=old, new=new):
            return {"old": old, "new": new}
        case AccountSuspended(reason=reason) | AccountReinstated(reason=reason) | AccountClosed(reason=reason):
            return {"reason": reason}
        case ProfileUpdated():
            changed = msgspec.structs.asdict(event).items()
            return {"fields": tuple(name for name, value in changed if name != "account_id" and value is not UNSET)}
        case MemberAdded(role=role) | MemberRemoved(role=role):
            return {**_group(event.group_id, position, documents), "role": role}
        case MemberRoleChanged(old=old, new=new):
            return {**_group(event.group_id, position, documents), "old": old, "new": new}


def _group(group_id: UUID, position: int, documents: Documents) -> Details:
    group = documents.find(GROUP, group_id)
    called = group.at(position) if group else NOTHING
    return {"group_id": str(group_id), "slug": called.slug, "name": called.name}
