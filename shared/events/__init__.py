"""The published language: what happened, in plain `str`, `UUID` and `datetime`, for all that read the event log."""

from shared.events.accounts import (
    AccountClosed,
    AccountRegistered,
    AccountReinstated,
    AccountSuspended,
    EmailChanged,
    EmailVerified,
    HandleChanged,
)
from shared.events.erasure import AccountErased, Redacted
from shared.events.event import Event, type_of
from shared.events.groups import (
    GroupCreated,
    GroupDeleted,
    GroupUpdated,
    MemberAdded,
    MemberRemoved,
    MemberRoleChanged,
    SlugChanged,
)
from shared.events.profiles import ProfileCreated, ProfileUpdated

EVENTS: tuple[type[Event], ...] = (
    AccountRegistered,
    HandleChanged,
    EmailChanged,
    EmailVerified,
    AccountSuspended,
    AccountReinstated,
    AccountClosed,
    AccountErased,
    ProfileCreated,
    ProfileUpdated,
    GroupCreated,
    SlugChanged,
    GroupUpdated,
    GroupDeleted,
    MemberAdded,
    MemberRoleChanged,
    MemberRemoved,
)
"""All that can happen; `Redacted` takes the place of any of them."""

__all__ = [
    "EVENTS",
    "AccountClosed",
    "AccountErased",
    "AccountRegistered",
    "AccountReinstated",
    "AccountSuspended",
    "EmailChanged",
    "EmailVerified",
    "Event",
    "GroupCreated",
    "GroupDeleted",
    "GroupUpdated",
    "HandleChanged",
    "MemberAdded",
    "MemberRemoved",
    "MemberRoleChanged",
    "ProfileCreated",
    "ProfileUpdated",
    "Redacted",
    "SlugChanged",
    "type_of",
]
