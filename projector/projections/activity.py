"""
What happened to each account, one item an event.

Groups have the slug and name in it that they had at the time, also where the item is only folded later.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias, TypeVar
from uuid import UUID

import msgspec
from msgspec import UNSET

from projector.folding.documents import Documents, Key, Kind
from projector.folding.fan_out import FanOut
from projector.folding.index_entries import SortedEntry
from projector.folding.projection import Projection, timestamp_of
from shared import events
from shared.event_log import RecordedEvent
from shared.read_model.records import ActivityRecord

Details: TypeAlias = dict[str, str | tuple[str, ...] | None]
OfMembership: TypeAlias = events.MemberAdded | events.MemberRoleChanged | events.MemberRemoved
OfGroup: TypeAlias = events.GroupCreated | events.SlugChanged | events.GroupUpdated | events.GroupDeleted
Joining = TypeVar("Joining", bound=OfMembership)
Item = TypeVar(
    "Item",
    bound=events.AccountRegistered
    | events.HandleChanged
    | events.EmailChanged
    | events.AccountSuspended
    | events.AccountReinstated
    | events.AccountClosed
    | events.ProfileUpdated
    | OfMembership,
)
"""The events that are items; the end of a group is its own, not an item of each of its members."""


class GroupNames(msgspec.Struct, frozen=True):
    """The name of a group since a position of the log: none once it is deleted."""

    since: int
    slug: str | None = None
    name: str | None = None


NAMELESS = GroupNames(0)


class GroupHistory(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a group has been called, in order; it stays when the group is gone."""

    group_id: UUID
    called: tuple[GroupNames, ...]

    def at(self, position: int) -> GroupNames:
        """Return the name that it had then, whatever has been folded since."""
        return next((each for each in reversed(self.called) if each.since <= position), NAMELESS)


ACTIVITY = Kind("activity", ActivityRecord)
"""By position in the log, in decimal."""
GROUP = Kind("group", GroupHistory)

HIDDEN: Mapping[str, frozenset[str]] = {
    "account-registered": frozenset({"email", "external_id"}),
    "email-changed": frozenset({"old", "new"}),
    "account-suspended": frozenset({"reason"}),
    "account-reinstated": frozenset({"reason"}),
    "account-closed": frozenset({"reason"}),
}
"""The details that only some may see, by type of event."""

activity = Projection("activity", version=2, documents=(ACTIVITY, GROUP), waits_to_read=True)


def item(_: events.Event, recorded: RecordedEvent) -> Iterable[Key]:
    return (ACTIVITY.key(str(recorded.position)),)


def group(event: OfGroup | OfMembership, _: RecordedEvent) -> Iterable[Key]:
    return (GROUP.key(event.group_id),)


def records(event: type[Item], details: Callable[[Item], Details]) -> None:
    """Have each event of a type be an item with these details."""

    @activity.on(event, touches=item)
    def add(event: Item, recorded: RecordedEvent, documents: Documents) -> None:
        _save(event, recorded, documents, details(event))


def records_of_group(event: type[Joining], details: Callable[[Joining], Details]) -> None:
    """
    Have each event of a membership be an item with these details and its group's slug and name.

    What a group has been called is only read: an item that was parked holds up no later event of it.
    """

    @activity.on(event, touches=item, reads=group)
    def add(event: Joining, recorded: RecordedEvent, documents: Documents) -> None:
        _save(event, recorded, documents, _group(event.group_id, recorded.position, documents) | details(event))


def _changes(event: events.HandleChanged | events.EmailChanged | events.MemberRoleChanged) -> Details:
    return {"old": event.old, "new": event.new}


def _reason(event: events.AccountSuspended | events.AccountReinstated | events.AccountClosed) -> Details:
    return {"reason": event.reason}


def _role(event: events.MemberAdded | events.MemberRemoved) -> Details:
    return {"role": event.role}


def _identity(event: events.AccountRegistered) -> Details:
    return {"handle": event.handle, "email": event.email, "external_id": event.external_id}


def _fields(event: events.ProfileUpdated) -> Details:
    changed = msgspec.structs.asdict(event).items()
    return {"fields": tuple(name for name, value in changed if name != "account_id" and value is not UNSET)}


records(events.AccountRegistered, _identity)
records(events.HandleChanged, _changes)
records(events.EmailChanged, _changes)
records(events.AccountSuspended, _reason)
records(events.AccountReinstated, _reason)
records(events.AccountClosed, _reason)
records(events.ProfileUpdated, _fields)
records_of_group(events.MemberAdded, _role)
records_of_group(events.MemberRoleChanged, _changes)
records_of_group(events.MemberRemoved, _role)


@activity.on(events.GroupCreated, touches=group)
def begin_history(event: events.GroupCreated, recorded: RecordedEvent, documents: Documents) -> None:
    called = (GroupNames(recorded.position, event.slug, event.name),)
    documents.save(GROUP, event.group_id, GroupHistory(group_id=event.group_id, called=called))


@activity.on(events.SlugChanged, touches=group)
def change_slug(event: events.SlugChanged, recorded: RecordedEvent, documents: Documents) -> None:
    _call(event.group_id, recorded, documents, slug=event.new)


@activity.on(events.GroupUpdated, touches=group)
def change_name(event: events.GroupUpdated, recorded: RecordedEvent, documents: Documents) -> None:
    if event.name is not UNSET:
        _call(event.group_id, recorded, documents, name=event.name)


@activity.on(events.GroupDeleted, touches=group)
def end_history(event: events.GroupDeleted, recorded: RecordedEvent, documents: Documents) -> None:
    _call(event.group_id, recorded, documents, slug=None, name=None)


@activity.fans_out(events.AccountErased)
def drop_items(event: events.AccountErased) -> FanOut:
    """Items stay as they were, until the account that they are of is erased."""
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


def _shown(item: ActivityRecord) -> ActivityRecord:
    hidden = HIDDEN.get(item.type, frozenset())
    shown = {name: value for name, value in item.details.items() if name not in hidden}
    return msgspec.structs.replace(item, details=shown)


def _entry(item: ActivityRecord) -> bytes:
    """All of an account stand together, in their order."""
    return item.account_id.bytes + item.position.to_bytes(_POSITION, "big")


def _key_at(entry: bytes) -> Key:
    return ACTIVITY.key(str(int.from_bytes(entry[-_POSITION:], "big")))


_POSITION = 8
"""Bytes."""

activity.indexed(ACTIVITY, lambda _, item: [SortedEntry(ACTIVITY.name, _entry(item))], by=(ACTIVITY.name,))
activity.public(ACTIVITY, _shown)


def _save(event: Item, recorded: RecordedEvent, documents: Documents, details: Details) -> None:
    item = ActivityRecord(
        account_id=event.account_id,
        type=events.type_of(event),
        position=recorded.position,
        at=timestamp_of(recorded),
        actor=recorded.metadata.actor,
        details=details,
    )
    documents.save(ACTIVITY, str(recorded.position), item)


def _group(group_id: UUID, position: int, documents: Documents) -> Details:
    history = documents.find(GROUP, group_id)
    called = history.at(position) if history else NAMELESS
    return {"group_id": str(group_id), "slug": called.slug, "name": called.name}


def _call(group_id: UUID, recorded: RecordedEvent, documents: Documents, **change: Any) -> None:
    if history := documents.find(GROUP, group_id):
        now = msgspec.structs.replace(history.called[-1], since=recorded.position, **change)
        documents.save(GROUP, group_id, msgspec.structs.replace(history, called=(*history.called, now)))
