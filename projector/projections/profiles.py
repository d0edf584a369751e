"""One record a person, found by id, handle, e-mail address and external id, and in lists of many kinds."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, TypeAlias
from uuid import UUID

import msgspec
from msgspec import UNSET

from projector.folding.projection import Documents, Entry, FanOut, Fetched, Key, Kind, UniqueEntry
from projector.projections.group_names import GROUP, GroupName, follow, names_needed
from projector.projections.profile_groups import belong, documents_needed, fan_out
from projector.projections.profile_index import index_row_of, unique_entries_of
from projector.projections.profile_kinds import PROFILE, REGISTRATION, Registration
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
    ProfileCreated,
    ProfileUpdated,
)
from shared.read_model.ordering import IndexRow
from shared.read_model.records import ProfileRecord, PublicProfileRecord
from shared.text import unique_slug

Document: TypeAlias = ProfileRecord | GroupName | Registration


class Profiles:
    """Projects accounts, their profiles and the groups they belong to into one record each."""

    name = "profiles"
    version = 2
    waits_to_read = False
    kinds: Sequence[Kind[Any]] = (PROFILE, GROUP, REGISTRATION)
    indexes: Collection[str] = ("by-handle", "by-email", "by-external-id", "by-slug")

    def needs(self, recorded: RecordedEvent, fetched: Fetched) -> Iterable[Key]:  # noqa: ARG002 - every event names all it touches
        match event := recorded.event:
            case AccountRegistered(account_id=account_id):
                return (REGISTRATION.key(account_id),)
            case ProfileCreated(account_id=account_id) | AccountErased(account_id=account_id):
                return (REGISTRATION.key(account_id), PROFILE.key(account_id))
            case (
                HandleChanged(account_id=account_id)
                | EmailChanged(account_id=account_id)
                | AccountSuspended(account_id=account_id)
                | AccountReinstated(account_id=account_id)
                | AccountClosed(account_id=account_id)
                | ProfileUpdated(account_id=account_id)
            ):
                return (PROFILE.key(account_id),)
            case _:
                return (*names_needed(event), *documents_needed(event))

    def reads(self, recorded: RecordedEvent) -> Collection[Key]:
        """A group's name: a member who joins under an older or a later one is brought the right one by a fan-out."""
        return (GROUP.key(event.group_id),) if isinstance(event := recorded.event, MemberAdded) else ()

    def project(self, recorded: RecordedEvent, documents: Documents) -> None:
        match recorded.event:
            case AccountRegistered() as event:
                documents.save(REGISTRATION, event.account_id, _registration(event, recorded))
            case ProfileCreated() as event:
                _create(event, recorded, documents)
            case HandleChanged(account_id=account_id, new=new):
                _change_account(account_id, recorded, documents, handle=new)
            case EmailChanged(account_id=account_id, new=new):
                _change_account(account_id, recorded, documents, email=new)
            case AccountSuspended() | AccountReinstated() | AccountClosed() as event:
                _change_account(event.account_id, recorded, documents, status=_STATUSES[type(event)])
            case ProfileUpdated() as event:
                _update(event, recorded, documents)
            case AccountErased(account_id=account_id):
                documents.forget(PROFILE, account_id)
                documents.forget(REGISTRATION, account_id)
            case Event() as event:
                follow(event, documents)
                belong(event, documents)

    def fan_out(self, event: Event) -> FanOut | None:
        return fan_out(event)

    def index(self, key: Key, record: Document) -> Iterable[Entry]:  # noqa: ARG002 - records know who they are
        match record:
            case ProfileRecord():
                return unique_entries_of(record)
            case GroupName(slug=slug):
                return (UniqueEntry("by-slug", unique_slug(slug)),)
            case _:
                return ()

    def index_row(self, record: Document) -> IndexRow | None:
        return index_row_of(record) if isinstance(record, ProfileRecord) else None

    def public(self, record: Document) -> PublicProfileRecord | None:
        if not isinstance(record, ProfileRecord):
            return None
        return PublicProfileRecord(**{name: getattr(record, name) for name in PublicProfileRecord.__struct_fields__})


def _registration(event: AccountRegistered, recorded: RecordedEvent) -> Registration:
    return Registration(
        account_id=event.account_id,
        handle=event.handle,
        email=event.email,
        external_id=event.external_id,
        created_at=moment_of(recorded),
        version=recorded.version,
    )


def _create(event: ProfileCreated, recorded: RecordedEvent, documents: Documents) -> None:
    # A store that came back from a crash may have the profile and no registration: it is ahead of its checkpoint.
    profile = documents.find(PROFILE, event.account_id) or _profile(event, recorded, documents)
    documents.save(PROFILE, event.account_id, profile)
    documents.forget(REGISTRATION, event.account_id)


def _profile(event: ProfileCreated, recorded: RecordedEvent, documents: Documents) -> ProfileRecord:
    return ProfileRecord(
        **msgspec.structs.asdict(documents.get(REGISTRATION, event.account_id)),
        **{name: getattr(event, name) for name in _DESCRIPTION},
        status="active",
        updated_at=moment_of(recorded),
        profile_version=recorded.version,
    )


def _change_account(account_id: UUID, recorded: RecordedEvent, documents: Documents, **change: str) -> None:
    _replace(account_id, recorded, documents, version=recorded.version, **change)


def _update(event: ProfileUpdated, recorded: RecordedEvent, documents: Documents) -> None:
    given = {name: getattr(event, name) for name in _DESCRIPTION}
    change = {name: value for name, value in given.items() if value is not UNSET}
    _replace(event.account_id, recorded, documents, profile_version=recorded.version, **change)


def _replace(account_id: UUID, recorded: RecordedEvent, documents: Documents, **change: Any) -> None:
    profile = documents.get(PROFILE, account_id)
    documents.save(PROFILE, account_id, msgspec.structs.replace(profile, updated_at=moment_of(recorded), **change))


_STATUSES: Mapping[type[Event], str] = {
    AccountSuspended: "suspended",
    AccountReinstated: "active",
    AccountClosed: "closed",
}
"""What an account becomes."""

_DESCRIPTION = tuple(name for name in ProfileUpdated.__struct_fields__ if name != "account_id")
"""The fields by which people describe themselves: those of `ProfileCreated` and `ProfileUpdated`."""
