"""One record a person, found by id, handle, e-mail address and external id."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec
from msgspec import UNSET

from projector.projection import Documents, Entry, Fetched, Key, Kind, LookUp
from shared.event_log import RecordedEvent
from shared.events import (
    AccountClosed,
    AccountRegistered,
    AccountReinstated,
    AccountSuspended,
    EmailChanged,
    Event,
    HandleChanged,
    ProfileCreated,
    ProfileUpdated,
)
from shared.records import ProfileRecord, PublicProfileRecord
from shared.text import unique_email, unique_external_id, unique_handle


class Registration(msgspec.Struct, frozen=True, kw_only=True):
    """
    An account whose profile has not been folded yet.

    Both come from one command, but a batch may end between their events. Nobody is served half a person: the
    registration is a kind of its own, without public document or index entries, until the profile takes its place.
    """

    account_id: UUID
    handle: str
    email: str
    external_id: str | None
    created_at: datetime
    version: int


REGISTRATION = Kind("registration", Registration)
PROFILE = Kind("profile", ProfileRecord)


class Profiles:
    """Projects accounts and their profiles into one record each."""

    name = "profiles"
    version = 1
    kinds: Sequence[Kind[Any]] = (PROFILE, REGISTRATION)

    def needs(self, event: Event, fetched: Fetched) -> Iterable[Key]:  # noqa: ARG002 - every event names all it touches
        match event:
            case AccountRegistered(account_id=account_id):
                return (REGISTRATION.key(account_id),)
            case ProfileCreated(account_id=account_id):
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
                return ()

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
            case AccountSuspended(account_id=account_id):
                _change_account(account_id, recorded, documents, status="suspended")
            case AccountReinstated(account_id=account_id):
                _change_account(account_id, recorded, documents, status="active")
            case AccountClosed(account_id=account_id):
                _change_account(account_id, recorded, documents, status="closed")
            case ProfileUpdated() as event:
                _update(event, recorded, documents)

    def index(self, record: Registration | ProfileRecord) -> Iterator[Entry]:
        if isinstance(record, Registration):
            return
        yield LookUp("by-handle", unique_handle(record.handle))
        yield LookUp("by-email", unique_email(record.email))
        if record.external_id is not None:
            yield LookUp("by-external-id", unique_external_id(record.external_id))

    def public(self, record: Registration | ProfileRecord) -> PublicProfileRecord | None:
        if isinstance(record, Registration):
            return None
        return PublicProfileRecord(**{name: getattr(record, name) for name in PublicProfileRecord.__struct_fields__})


def _registration(event: AccountRegistered, recorded: RecordedEvent) -> Registration:
    return Registration(
        account_id=event.account_id,
        handle=event.handle,
        email=event.email,
        external_id=event.external_id,
        created_at=_utc(recorded),
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
        updated_at=_utc(recorded),
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
    documents.save(PROFILE, account_id, msgspec.structs.replace(profile, updated_at=_utc(recorded), **change))


def _utc(recorded: RecordedEvent) -> datetime:
    """When it happened, in UTC, whatever time zone the database's session has: the record's bytes depend on it."""
    return recorded.occurred_at.astimezone(UTC)


_DESCRIPTION = tuple(name for name in ProfileUpdated.__struct_fields__ if name != "account_id")
"""The fields by which people describe themselves: those of `ProfileCreated` and `ProfileUpdated`."""
