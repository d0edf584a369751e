"""What people are called on the cards of groups' members."""

from collections.abc import Iterable
from uuid import UUID

import msgspec

from projector.folding.projection import Documents, Key, Kind
from shared.event_log import RecordedEvent, UnknownEvent
from shared.events import (
    AccountClosed,
    AccountErased,
    AccountRegistered,
    AccountReinstated,
    AccountSuspended,
    Event,
    HandleChanged,
    ProfileCreated,
    ProfileUpdated,
)
from shared.read_model.records import Person


class Registration(msgspec.Struct, frozen=True, kw_only=True):
    """The handle of an account whose profile has not been folded yet: a batch may end between their events."""

    handle: str


REGISTRATION = Kind("registration", Registration)
PERSON = Kind("person", Person)


def people_needed(event: Event | UnknownEvent) -> Iterable[Key]:
    """The documents that `know` touches."""
    match event:
        case AccountRegistered(account_id=account_id):
            return (REGISTRATION.key(account_id),)
        case ProfileCreated(account_id=account_id) | AccountErased(account_id=account_id):
            return (REGISTRATION.key(account_id), PERSON.key(account_id))
        case (
            HandleChanged(account_id=account_id)
            | ProfileUpdated(account_id=account_id, display_name=str())
            | AccountSuspended(account_id=account_id)
            | AccountReinstated(account_id=account_id)
            | AccountClosed(account_id=account_id)
        ):
            return (PERSON.key(account_id),)
        case _:
            return ()


def know(recorded: RecordedEvent, documents: Documents) -> None:
    """Keep what the event makes of a person's name and status."""
    match recorded.event:
        case AccountRegistered(account_id=account_id, handle=handle):
            documents.save(REGISTRATION, account_id, Registration(handle=handle))
        case ProfileCreated(account_id=account_id, display_name=name):
            _introduce(account_id, name, documents)
        case HandleChanged(account_id=account_id, new=handle):
            _replace(account_id, documents, handle=handle)
        case ProfileUpdated(account_id=account_id, display_name=str(name)):
            _replace(account_id, documents, display_name=name)
        case AccountSuspended(account_id=account_id):
            _replace(account_id, documents, status="suspended")
        case AccountReinstated(account_id=account_id):
            _replace(account_id, documents, status="active")
        case AccountClosed(account_id=account_id):
            _replace(account_id, documents, status="closed")
        case AccountErased(account_id=account_id):
            documents.forget(PERSON, account_id)
            documents.forget(REGISTRATION, account_id)


def _introduce(account_id: UUID, name: str, documents: Documents) -> None:
    # A store that came back from a crash may have the person and no registration: it is ahead of its checkpoint.
    person = documents.find(PERSON, account_id) or Person(
        account_id=account_id,
        handle=documents.get(REGISTRATION, account_id).handle,
        display_name=name,
        status="active",
    )
    documents.save(PERSON, account_id, person)
    documents.forget(REGISTRATION, account_id)


def _replace(account_id: UUID, documents: Documents, **change: str) -> None:
    person = documents.get(PERSON, account_id)
    documents.save(PERSON, account_id, msgspec.structs.replace(person, **change))
