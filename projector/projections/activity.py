"""
What happened to each account: a document for each, in which events are items, the newest so many.

Groups have the slug and name in it that they had at the time, also where the item is only folded later.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias
from uuid import UUID

import msgspec
from msgspec import UNSET

from projector.declaring.documents import Documents, Key, Kind
from projector.declaring.projection import Projection, React, timestamp_of
from shared import events
from shared.event_log import RecordedEvent
from shared.event_log.ranges import AGGREGATE
from shared.read_model.activity import KEPT, AccountActivity, Detail, packed
from shared.read_model.records import ActivityRecord

Details: TypeAlias = dict[str, Detail]
OfMembership: TypeAlias = events.MemberAdded | events.MemberRoleChanged | events.MemberRemoved


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


ACTIVITY = Kind("activity", AccountActivity, is_tagged=False)
GROUP = Kind("group", GroupHistory, partitioned_by=None)


def account(event: Any, _: RecordedEvent) -> Iterable[Key]:
    return (ACTIVITY.key(event.account_id),)


def group(event: Any, _: RecordedEvent) -> Iterable[Key]:
    return (GROUP.key(event.group_id),)


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


ITEMS: Mapping[type[events.Event], Callable[[Any], Details]] = {
    events.AccountRegistered: _identity,
    events.HandleChanged: _changes,
    events.EmailChanged: _changes,
    events.EmailVerified: lambda _: {},
    events.AccountSuspended: _reason,
    events.AccountReinstated: _reason,
    events.AccountClosed: _reason,
    events.ProfileUpdated: _fields,
    events.MemberAdded: _role,
    events.MemberRoleChanged: _changes,
    events.MemberRemoved: _role,
}
"""The events that are items, with their details; the end of a group is its own, not an item of each of its members."""


def activity_keeping(items: int) -> Projection:
    """Make the projection; of each account it keeps so many items at most."""
    made = Projection("activity", version=3, rekeyed=3, documents=(ACTIVITY, GROUP), waits_to_read=True)
    for event, details in ITEMS.items():
        # What a group has been called is only read: an item that was parked holds up no later event of the group.
        reads = group if issubclass(event, OfMembership) else None
        made.on(event, touches=account, reads=reads)(_adding(details, kept=items))
    made.on(events.AccountErased, touches=account)(drop_items)
    made.on(events.GroupCreated, touches=group)(begin_history)
    made.on(events.SlugChanged, touches=group)(change_slug)
    made.on(events.GroupUpdated, touches=group)(change_name)
    made.on(events.GroupDeleted, touches=group)(end_history)
    made.ranged(account=AGGREGATE, profile=AGGREGATE, membership="account_id")
    return made


def _adding(details: Callable[[Any], Details], *, kept: int) -> React[Any]:
    """Make each event an item with these details, and those of the group that it is about."""

    def add(event: Any, recorded: RecordedEvent, documents: Documents) -> None:
        of_group = _group(event, recorded, documents) if isinstance(event, OfMembership) else {}
        record = ActivityRecord(
            account_id=event.account_id,
            position=recorded.position,
            type=events.type_of(event),
            at=timestamp_of(recorded),
            actor=recorded.metadata.actor,
            details=of_group | details(event),
        )
        before = documents.find(ACTIVITY, event.account_id) or AccountActivity()
        documents.save(ACTIVITY, event.account_id, before.with_one_more(packed(record), kept=kept))

    return add


def drop_items(event: events.AccountErased, _: RecordedEvent, documents: Documents) -> None:
    documents.forget(ACTIVITY, event.account_id)


def begin_history(event: events.GroupCreated, recorded: RecordedEvent, documents: Documents) -> None:
    called = (GroupNames(recorded.position, event.slug, event.name),)
    documents.save(GROUP, event.group_id, GroupHistory(group_id=event.group_id, called=called))


def change_slug(event: events.SlugChanged, recorded: RecordedEvent, documents: Documents) -> None:
    _call(event.group_id, recorded, documents, slug=event.new)


def change_name(event: events.GroupUpdated, recorded: RecordedEvent, documents: Documents) -> None:
    if event.name is not UNSET:
        _call(event.group_id, recorded, documents, name=event.name)


def end_history(event: events.GroupDeleted, recorded: RecordedEvent, documents: Documents) -> None:
    _call(event.group_id, recorded, documents, slug=None, name=None)


def _group(event: OfMembership, recorded: RecordedEvent, documents: Documents) -> Details:
    history = documents.find(GROUP, event.group_id)
    called = history.at(recorded.position) if history else NAMELESS
    return {"group_id": str(event.group_id), "slug": called.slug, "name": called.name}


def _call(group_id: UUID, recorded: RecordedEvent, documents: Documents, **change: Any) -> None:
    if history := documents.find(GROUP, group_id):
        now = msgspec.structs.replace(history.called[-1], since=recorded.position, **change)
        documents.save(GROUP, group_id, msgspec.structs.replace(history, called=(*history.called, now)))


activity = activity_keeping(KEPT)
