"""
One record a group, found by id and slug, and a card for each of its members.

A member's card is kept in two halves, a `Person` and a `Membership`, which the reader lays side by side: a changed name
is one write, however many groups a person belongs to.
"""

from collections.abc import Collection, Iterable, Sequence
from typing import Any, TypeAlias
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType

from projector.folding.projection import Documents, Entry, FanOut, Fetched, Key, Kind, UniqueEntry
from projector.projections.group_memberships import (
    MEMBER,
    MEMBER_ROLE,
    MEMBERSHIP,
    entries_of,
    fan_out,
    join_or_leave,
    membership_needed,
)
from projector.projections.group_people import PERSON, REGISTRATION, Registration, know, people_needed
from projector.projections.times import moment_of
from shared.event_log import RecordedEvent
from shared.events import (
    Event,
    GroupCreated,
    GroupDeleted,
    GroupUpdated,
    MemberAdded,
    MemberRemoved,
    Redacted,
    SlugChanged,
)
from shared.read_model.ordering import (
    ANY_STATUS,
    EVERYBODY,
    GROUP_ORDERS,
    IndexRow,
    number_key,
    text_key,
    time_key,
    word_block,
)
from shared.read_model.records import GroupRecord, Membership, Person
from shared.text import unique_slug, words

GROUP = Kind("group", GroupRecord, orders=GROUP_ORDERS)

Document: TypeAlias = GroupRecord | Person | Membership | Registration


class Groups:
    """Projects groups, and who belongs to them."""

    name = "groups"
    version = 1
    waits_to_read = False
    kinds: Sequence[Kind[Any]] = (GROUP, MEMBERSHIP, PERSON, REGISTRATION)
    indexes: Collection[str] = ("by-slug", MEMBER, MEMBER_ROLE)

    def needs(self, recorded: RecordedEvent, fetched: Fetched) -> Iterable[Key]:  # noqa: ARG002 - every event names all it touches
        match event := recorded.event:
            case (
                GroupCreated(group_id=group_id)
                | SlugChanged(group_id=group_id)
                | GroupUpdated(group_id=group_id)
                | GroupDeleted(group_id=group_id)
            ):
                return (GROUP.key(group_id),)
            case MemberAdded(group_id=group_id) | MemberRemoved(group_id=group_id):
                return (GROUP.key(group_id), *membership_needed(event))
            case Redacted(was="member-added" | "member-removed", group_id=UUID() as group_id):
                return (GROUP.key(group_id),)
            case _:
                return (*membership_needed(event), *people_needed(event))

    def reads(self, recorded: RecordedEvent) -> Collection[Key]:  # noqa: ARG002 - for no event
        """Whatever is looked at is changed."""
        return ()

    def project(self, recorded: RecordedEvent, documents: Documents) -> None:
        match recorded.event:
            case GroupCreated() as event:
                documents.save(GROUP, event.group_id, _created(event, recorded))
            case SlugChanged(group_id=group_id, new=new):
                _change(group_id, recorded, documents, slug=new)
            case GroupUpdated(group_id=group_id, name=name, description=description):
                _change(group_id, recorded, documents, name=name, description=description)
            case GroupDeleted(group_id=group_id):
                documents.forget(GROUP, group_id)
            case MemberAdded(group_id=group_id) | Redacted(was="member-added", group_id=UUID() as group_id):
                _count(group_id, documents, more=1)
            case MemberRemoved(group_id=group_id) | Redacted(was="member-removed", group_id=UUID() as group_id):
                _count(group_id, documents, more=-1)
        join_or_leave(recorded, documents)
        know(recorded, documents)

    def fan_out(self, event: Event) -> FanOut | None:
        return fan_out(event)

    def index(self, key: Key, record: Document) -> Iterable[Entry]:
        match record:
            case GroupRecord(slug=slug):
                return (UniqueEntry("by-slug", unique_slug(slug)),)
            case Membership():
                return entries_of(key, record)
            case _:
                return ()

    def index_row(self, record: Document) -> IndexRow | None:
        return _index_row(record) if isinstance(record, GroupRecord) else None

    def public(self, record: Document) -> None:
        """Nothing of a group is for some only: everybody is served the full documents."""


def _created(event: GroupCreated, recorded: RecordedEvent) -> GroupRecord:
    at = moment_of(recorded)
    return GroupRecord(
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


def _change(group_id: UUID, recorded: RecordedEvent, documents: Documents, **given: str | UnsetType | None) -> None:
    change = {field: value for field, value in given.items() if value is not UNSET}
    _replace(group_id, documents, updated_at=moment_of(recorded), version=recorded.version, **change)


def _count(group_id: UUID, documents: Documents, *, more: int) -> None:
    """Count members; the group itself is not updated when they come and go."""
    if group := documents.find(GROUP, group_id):
        _replace(group_id, documents, member_count=group.member_count + more)


def _replace(group_id: UUID, documents: Documents, **change: Any) -> None:
    # After a crash the store may be ahead of its checkpoint, and the group gone when its older events come again.
    if group := documents.find(GROUP, group_id):
        documents.save(GROUP, group_id, msgspec.structs.replace(group, **change))


def _index_row(group: GroupRecord) -> IndexRow:
    return IndexRow(
        facets=(EVERYBODY,),
        status=ANY_STATUS,
        keys=(
            text_key(group.name),
            text_key(group.slug),
            time_key(group.created_at),
            time_key(group.updated_at),
            number_key(group.member_count),
        ),
        words=word_block(words(group.slug) | words(group.name)),
    )
