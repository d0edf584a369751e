"""
One record a group, found by id and slug, and a card for each of its members.

A member's card is kept in two halves, a `Person` and a `MembershipRecord`, which the reader lays side by side: a
changed name is one write, however many groups a person belongs to.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias, TypeVar
from uuid import UUID

import msgspec

from projector.declaring.documents import Documents, Key, Kind
from projector.declaring.fan_out import FanOut
from projector.declaring.index_entries import Entry, SortedEntry
from projector.declaring.projection import Projection, given, timestamp_of
from shared import events
from shared.event_log import RecordedEvent
from shared.event_log.ranges import AGGREGATE
from shared.read_model.index_rows import group_row
from shared.read_model.ordering import (
    GROUP_ORDERS,
    NUL,
    name_at,
    place,
    time_key,
)
from shared.read_model.records import GroupRecord, MembershipRecord, Person
from shared.text import filed, unique_slug

Keys: TypeAlias = Iterable[Key]
OfGroup: TypeAlias = events.GroupCreated | events.SlugChanged | events.GroupUpdated | events.GroupDeleted
OfPerson: TypeAlias = (
    events.HandleChanged
    | events.ProfileUpdated
    | events.AccountSuspended
    | events.AccountReinstated
    | events.AccountClosed
)
Changed = TypeVar("Changed", bound=OfPerson)
OfMembership: TypeAlias = events.MemberAdded | events.MemberRoleChanged | events.MemberRemoved


class RegisteredHandle(msgspec.Struct, frozen=True, kw_only=True):
    """The handle of an account whose profile has not been folded yet: a batch may end between their events."""

    handle: str


GROUP = Kind("group", GroupRecord, orders=GROUP_ORDERS)
MEMBERSHIP = Kind("membership", MembershipRecord, is_tagged=False, partitioned_by=lambda of: of.partition(":")[2])
"""By group and account: `<group id>:<account id>`; it lies where the account does, however big a group is."""
PERSON = Kind("person", Person, is_tagged=False)
REGISTRATION = Kind("registration", RegisteredHandle)

MEMBER = "member"
MEMBER_ROLE = "member-role"

groups = Projection("groups", version=3, documents=(GROUP, MEMBERSHIP, PERSON, REGISTRATION))
groups.versioned(GROUP, by="group", field="version", touches_updated_at=True)


def memberships_ever(event: events.AccountErased, _: RecordedEvent) -> Keys:
    return map(MEMBERSHIP.key, _ever_of(event))


@groups.on(events.GroupCreated, touches=GROUP.by("group_id"))
def create(event: events.GroupCreated, recorded: RecordedEvent, documents: Documents) -> None:
    at = timestamp_of(recorded)
    record = GroupRecord(
        group_id=event.group_id,
        slug=event.slug,
        name=event.name,
        description=event.description,
        external_id=event.external_id,
        member_count=0,
        created_at=at,
        updated_at=at,
        version=recorded.version,
    )
    documents.save(GROUP, event.group_id, record)


@groups.on(events.SlugChanged, touches=GROUP.by("group_id"))
def change_slug(event: events.SlugChanged, _: RecordedEvent, documents: Documents) -> None:
    _change_group(event.group_id, documents, {"slug": event.new})


@groups.on(events.GroupUpdated, touches=GROUP.by("group_id"))
def update(event: events.GroupUpdated, _: RecordedEvent, documents: Documents) -> None:
    _change_group(event.group_id, documents, given(event, "name", "description"))


@groups.on(events.GroupDeleted, touches=GROUP.by("group_id"))
def delete(event: events.GroupDeleted, _: RecordedEvent, documents: Documents) -> None:
    documents.forget(GROUP, event.group_id)


@groups.on(events.MemberAdded, touches=(GROUP.by("group_id"), MEMBERSHIP.by("group_id", "account_id")))
def join(event: events.MemberAdded, recorded: RecordedEvent, documents: Documents) -> None:
    _count(event.group_id, documents, more=1)
    documents.save(MEMBERSHIP, _of(event), MembershipRecord(role=event.role, since=timestamp_of(recorded)))


@groups.on(events.MemberRoleChanged, touches=MEMBERSHIP.by("group_id", "account_id"))
def change_role(event: events.MemberRoleChanged, _: RecordedEvent, documents: Documents) -> None:
    # After a crash the store may be ahead of its checkpoint, and the membership over when its older events come again.
    if documents.find(MEMBERSHIP, _of(event)):
        documents.change(MEMBERSHIP, _of(event), role=event.new)


@groups.on(events.MemberRemoved, touches=(GROUP.by("group_id"), MEMBERSHIP.by("group_id", "account_id")))
def leave(event: events.MemberRemoved, _: RecordedEvent, documents: Documents) -> None:
    _count(event.group_id, documents, more=-1)
    documents.forget(MEMBERSHIP, _of(event))


@groups.on_redacted(events.MemberAdded, touches=GROUP.by("group_id"))
def count_erased_member(event: events.Redacted, _: RecordedEvent, documents: Documents) -> None:
    _count(event.group_id, documents, more=1)


@groups.on_redacted(events.MemberRemoved, touches=GROUP.by("group_id"))
def count_erased_member_who_left(event: events.Redacted, _: RecordedEvent, documents: Documents) -> None:
    _count(event.group_id, documents, more=-1)


@groups.on(events.AccountRegistered, touches=REGISTRATION.by("account_id"))
def register(event: events.AccountRegistered, _: RecordedEvent, documents: Documents) -> None:
    documents.save(REGISTRATION, event.account_id, RegisteredHandle(handle=event.handle))


@groups.on(events.ProfileCreated, touches=(REGISTRATION.by("account_id"), PERSON.by("account_id")))
def introduce(event: events.ProfileCreated, _: RecordedEvent, documents: Documents) -> None:
    # A store that came back from a crash may have the person and no registration: it is ahead of its checkpoint.
    found = documents.find(PERSON, event.account_id) or Person(
        account_id=event.account_id,
        handle=documents.get(REGISTRATION, event.account_id).handle,
        display_name=event.display_name,
        status="active",
    )
    documents.save(PERSON, event.account_id, found)
    documents.forget(REGISTRATION, event.account_id)


def changes(event: type[Changed], fields: Callable[[Changed], Mapping[str, str]]) -> None:
    """Have each event of a type change fields of the person, if it says something of them."""

    @groups.on(event, touches=lambda event, recorded: PERSON.by("account_id")(event, recorded) if fields(event) else ())
    def change_person(event: Changed, _: RecordedEvent, documents: Documents) -> None:
        if change := fields(event):
            documents.change(PERSON, event.account_id, **change)


changes(events.HandleChanged, lambda event: {"handle": event.new})
changes(events.ProfileUpdated, lambda event: given(event, "display_name"))
changes(events.AccountSuspended, lambda _: {"status": "suspended"})
changes(events.AccountReinstated, lambda _: {"status": "active"})
changes(events.AccountClosed, lambda _: {"status": "closed"})


@groups.on(events.AccountErased, touches=(memberships_ever, REGISTRATION.by("account_id"), PERSON.by("account_id")))
def erase(event: events.AccountErased, _: RecordedEvent, documents: Documents) -> None:
    # Memberships that are over, too: it may be that their end could not be folded.
    for of in _ever_of(event):
        documents.forget(MEMBERSHIP, of)
    documents.forget(PERSON, event.account_id)
    documents.forget(REGISTRATION, event.account_id)


@groups.fans_out(events.GroupDeleted)
def end_memberships(event: events.GroupDeleted) -> FanOut:
    """Every membership ends with its group."""
    prefix = _of_group(event.group_id)
    return FanOut(
        by=MEMBER,
        prefix=event.group_id.bytes,
        kind=MEMBERSHIP,
        key=lambda entry: MEMBERSHIP.key(prefix + name_at(entry)),
        revise=lambda of, membership: None if of.startswith(prefix) else membership,
        stands=lambda of, membership, entry: (
            membership is not None and SortedEntry(MEMBER, entry) in _member_entries(of, membership)
        ),
        reindexes=True,
    )


groups.concerned(MEMBERSHIP, lambda of, _: [UUID(of.partition(":")[0]).bytes])


def _member_entries(of: str, membership: MembershipRecord) -> tuple[Entry, ...]:
    """In the lists of a group's members, and of those whose roles read alike, in the order in which they joined."""
    group_id, account_id = map(UUID, of.split(":"))
    joined = place(time_key(membership.since), account_id)
    role = filed(membership.role).encode() + NUL
    return (SortedEntry(MEMBER, group_id.bytes + joined), SortedEntry(MEMBER_ROLE, group_id.bytes + role + joined))


groups.ranged(account=AGGREGATE, profile=AGGREGATE, group=AGGREGATE, membership="group_id")
groups.unique(GROUP, "by-slug", of="slug", form=unique_slug)
groups.listed(GROUP, group_row)
groups.indexed(MEMBERSHIP, _member_entries, by=(MEMBER, MEMBER_ROLE))
groups.open(GROUP, MEMBERSHIP, PERSON)


def _of(event: OfMembership) -> str:
    return f"{_of_group(event.group_id)}{event.account_id}"


def _ever_of(event: events.AccountErased) -> list[str]:
    return [f"{_of_group(group_id)}{event.account_id}" for group_id in event.groups]


def _of_group(group_id: UUID) -> str:
    return f"{group_id}:"


def _count(group_id: UUID | None, documents: Documents, *, more: int) -> None:
    """Count members; the group itself is not updated when they come and go."""
    if group_id is not None and (found := documents.find(GROUP, group_id)):
        documents.change(GROUP, group_id, member_count=found.member_count + more)


def _change_group(group_id: UUID, documents: Documents, fields: Mapping[str, Any]) -> None:
    # After a crash the store may be ahead of its checkpoint, and the group gone when its older events come again.
    if documents.find(GROUP, group_id):
        documents.change(GROUP, group_id, **fields)
