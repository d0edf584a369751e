"""
One record a person, found by id, handle, e-mail address and external id, and in lists of many kinds.

It is made of an account, its profile, and the groups that the account belongs to.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, TypeAlias, TypeVar
from uuid import UUID

import msgspec
from msgspec import UNSET

from projector.declaring.documents import Documents, Key, Kind
from projector.declaring.fan_out import FanOut
from projector.declaring.projection import Projection, given, timestamp_of
from shared import events
from shared.event_log import RecordedEvent
from shared.event_log.ranges import AGGREGATE
from shared.read_model.index_rows import profile_row
from shared.read_model.ordering import (
    PROFILE_ORDERS,
    STATUSES,
    group_facet,
    name_at,
    place,
    text_key,
)
from shared.read_model.records import ProfileGroup, ProfileRecord, PublicProfileRecord
from shared.text import unique_email, unique_external_id, unique_handle, unique_slug

Keys: TypeAlias = Iterable[Key]
OfGroup: TypeAlias = events.GroupCreated | events.SlugChanged | events.GroupUpdated | events.GroupDeleted
OfPerson: TypeAlias = (
    events.HandleChanged
    | events.EmailChanged
    | events.EmailVerified
    | events.AccountSuspended
    | events.AccountReinstated
    | events.AccountClosed
    | events.ProfileUpdated
    | events.MemberAdded
    | events.MemberRoleChanged
    | events.MemberRemoved
)
Changed = TypeVar("Changed", bound=OfPerson)


class Registration(msgspec.Struct, frozen=True, kw_only=True):
    """
    An account whose profile has not been folded yet.

    Both come from one command, but a batch may end between their events. Half a person is not served: the registration
    is a kind of its own, without public document or index entries, until the profile takes its place.
    """

    account_id: UUID
    handle: str
    email: str
    external_id: str | None
    created_at: datetime
    version: int


class GroupName(msgspec.Struct, frozen=True, kw_only=True):
    """
    A group's slug and name at present.

    After a crash it may be ahead of the checkpoint: renamed or gone already when an older event of a member is folded
    again. Nothing is amiss then, so a reaction must do with None.
    """

    group_id: UUID
    slug: str
    name: str


REGISTRATION = Kind("registration", Registration)
PROFILE = Kind("profile", ProfileRecord, orders=PROFILE_ORDERS, public=PublicProfileRecord)
GROUP = Kind("group", GroupName, partitioned_by=None)

_DESCRIPTION = tuple(name for name in events.ProfileUpdated.__struct_fields__ if name != "account_id")
"""The fields by which people describe themselves: those of `ProfileCreated` and `ProfileUpdated`."""

profiles = Projection("profiles", version=6, documents=(PROFILE, GROUP, REGISTRATION))
profiles.versioned(REGISTRATION, by="account", field="version")
profiles.versioned(PROFILE, by="account", field="version", touches_updated_at=True)
profiles.versioned(PROFILE, by="profile", field="profile_version", touches_updated_at=True)


@profiles.on(events.AccountRegistered, touches=REGISTRATION.by("account_id"))
def register(event: events.AccountRegistered, recorded: RecordedEvent, documents: Documents) -> None:
    record = Registration(
        account_id=event.account_id,
        handle=event.handle,
        email=event.email,
        external_id=event.external_id,
        created_at=timestamp_of(recorded),
        version=recorded.version,
    )
    documents.save(REGISTRATION, event.account_id, record)


@profiles.on(events.ProfileCreated, touches=(REGISTRATION.by("account_id"), PROFILE.by("account_id")))
def create(event: events.ProfileCreated, recorded: RecordedEvent, documents: Documents) -> None:
    # A store that came back from a crash may have the profile and no registration: it is ahead of its checkpoint.
    record = documents.find(PROFILE, event.account_id) or _profile(event, recorded, documents)
    documents.save(PROFILE, event.account_id, record)
    documents.forget(REGISTRATION, event.account_id)


def changes(event: type[Changed], fields: Callable[[Changed], Mapping[str, Any]]) -> None:
    """Have each event of a type change fields of the person's record."""

    @profiles.on(event, touches=PROFILE.by("account_id"))
    def change_record(event: Changed, _: RecordedEvent, documents: Documents) -> None:
        documents.change(PROFILE, event.account_id, **fields(event))


changes(events.HandleChanged, lambda event: {"handle": event.new})
changes(events.EmailChanged, lambda event: {"email": event.new, "email_verified": False})
changes(events.EmailVerified, lambda _: {"email_verified": True})
changes(events.AccountSuspended, lambda _: {"status": "suspended"})
changes(events.AccountReinstated, lambda _: {"status": "active"})
changes(events.AccountClosed, lambda _: {"status": "closed"})
changes(events.ProfileUpdated, lambda event: given(event, *_DESCRIPTION))


@profiles.on(events.AccountErased, touches=(REGISTRATION.by("account_id"), PROFILE.by("account_id")))
def erase(event: events.AccountErased, _: RecordedEvent, documents: Documents) -> None:
    documents.forget(PROFILE, event.account_id)
    documents.forget(REGISTRATION, event.account_id)


@profiles.on(events.GroupCreated, touches=GROUP.by("group_id"))
def name_group(event: events.GroupCreated, _: RecordedEvent, documents: Documents) -> None:
    record = GroupName(group_id=event.group_id, slug=event.slug, name=event.name)
    documents.save(GROUP, event.group_id, record)


@profiles.on(events.SlugChanged, touches=GROUP.by("group_id"))
def change_slug(event: events.SlugChanged, _: RecordedEvent, documents: Documents) -> None:
    _rename(event.group_id, documents, {"slug": event.new})


@profiles.on(events.GroupUpdated, touches=GROUP.by("group_id"))
def rename_group(event: events.GroupUpdated, _: RecordedEvent, documents: Documents) -> None:
    _rename(event.group_id, documents, given(event, "name"))


@profiles.on(events.GroupDeleted, touches=GROUP.by("group_id"))
def delete_group(event: events.GroupDeleted, _: RecordedEvent, documents: Documents) -> None:
    documents.forget(GROUP, event.group_id)


# A group's name is only read: one who joins under an older or a later one is brought the right one by a fan-out.
@profiles.on(events.MemberAdded, touches=PROFILE.by("account_id"), reads=GROUP.by("group_id"))
def join(event: events.MemberAdded, _: RecordedEvent, documents: Documents) -> None:
    # The group may be gone or renamed already, after a crash. Gone: its deletion is still to be folded, and leaves the
    # record without it. Renamed: the record is ahead with it, and will be brought the same name once more. The record
    # is opened in each case: the crash may have left it marked as stale, although nothing is parked for it.
    documents.find(PROFILE, event.account_id)
    if (found := documents.find(GROUP, event.group_id)) is None:
        return
    record = documents.get(PROFILE, event.account_id)
    joined = ProfileGroup(group_id=found.group_id, slug=found.slug, name=found.name, role=event.role)
    documents.save(PROFILE, event.account_id, _with(record, (*record.groups, joined)))


@profiles.on(events.MemberRoleChanged, touches=PROFILE.by("account_id"))
def change_role(event: events.MemberRoleChanged, _: RecordedEvent, documents: Documents) -> None:
    record = documents.get(PROFILE, event.account_id)
    documents.save(PROFILE, event.account_id, _with_group(record, event.group_id, role=event.new))


@profiles.on(events.MemberRemoved, touches=PROFILE.by("account_id"))
def leave(event: events.MemberRemoved, _: RecordedEvent, documents: Documents) -> None:
    record = documents.get(PROFILE, event.account_id)
    documents.save(PROFILE, event.account_id, _without_group(record, event.group_id))


@profiles.fans_out(events.GroupUpdated)
def rename_in_members(event: events.GroupUpdated) -> FanOut | None:
    return None if event.name is UNSET else _renaming(event.group_id, name=event.name)


@profiles.fans_out(events.SlugChanged)
def change_slug_in_members(event: events.SlugChanged) -> FanOut:
    return _renaming(event.group_id, slug=event.new)


@profiles.fans_out(events.GroupDeleted)
def take_group_from_members(event: events.GroupDeleted) -> FanOut:
    return _to_members(event.group_id, lambda record: _without_group(record, event.group_id), reindexes=True)


profiles.concerned(PROFILE, lambda _, record: [group_facet(group.group_id) for group in record.groups])
profiles.ranged(account=AGGREGATE, profile=AGGREGATE, membership="account_id")
profiles.unique(PROFILE, "by-handle", of="handle", form=unique_handle)
profiles.unique(PROFILE, "by-email", of="email", form=unique_email)
profiles.unique(PROFILE, "by-external-id", of="external_id", form=unique_external_id)
profiles.listed(PROFILE, profile_row)
profiles.unique(GROUP, "by-slug", of="slug", form=unique_slug)
profiles.open(GROUP)


def _profile(event: events.ProfileCreated, recorded: RecordedEvent, documents: Documents) -> ProfileRecord:
    return ProfileRecord(
        **msgspec.structs.asdict(documents.get(REGISTRATION, event.account_id)),
        **{name: getattr(event, name) for name in _DESCRIPTION},
        status="active",
        email_verified=False,
        updated_at=timestamp_of(recorded),
        profile_version=recorded.version,
    )


def _rename(group_id: UUID, documents: Documents, fields: Mapping[str, str]) -> None:
    if fields and documents.find(GROUP, group_id):
        documents.change(GROUP, group_id, **fields)


def _renaming(group_id: UUID, **change: str) -> FanOut:
    return _to_members(group_id, lambda record: _with_group(record, group_id, **change), reindexes=False)


def _to_members(group_id: UUID, revise: Callable[[ProfileRecord], ProfileRecord], *, reindexes: bool) -> FanOut:
    return FanOut(
        by=PROFILE.orders[0],
        prefix=group_facet(group_id),
        kind=PROFILE,
        key=lambda entry: PROFILE.key(name_at(entry)),
        revise=lambda _, record: revise(record),
        stands=lambda _, record, entry: record is not None and _stands_at(entry, record, group_id),
        reindexes=reindexes,
    )


def _stands_at(entry: bytes, record: ProfileRecord, group_id: UUID) -> bool:
    """See `profile_row`, without what is not needed here."""
    if not any(group.group_id == group_id for group in record.groups):
        return False
    name = place(text_key(record.display_name), record.account_id)
    return entry == group_facet(group_id) + STATUSES[record.status] + name


def _with_group(record: ProfileRecord, group_id: UUID, **change: str) -> ProfileRecord:
    """The record with its group changed; itself if the group is not among its groups."""
    for nth, group in enumerate(groups := record.groups):
        if group.group_id == group_id:
            return _with(record, (*groups[:nth], msgspec.structs.replace(group, **change), *groups[nth + 1 :]))
    return record


def _without_group(record: ProfileRecord, group_id: UUID) -> ProfileRecord:
    """The record without the group; itself if the group is not among its groups."""
    left = tuple(group for group in record.groups if group.group_id != group_id)
    return record if len(left) == len(record.groups) else _with(record, left)


def _with(record: ProfileRecord, groups: tuple[ProfileGroup, ...]) -> ProfileRecord:
    return msgspec.structs.replace(record, groups=groups)
