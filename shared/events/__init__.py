"""The published language: what happened, in plain `str`, `UUID` and `datetime`, for whoever reads the event log."""

from shared.events.accounts import (
    AccountClosed,
    AccountRegistered,
    AccountReinstated,
    AccountSuspended,
    EmailChanged,
    HandleChanged,
)
from shared.events.event import Event, type_of
from shared.events.profiles import ProfileCreated, ProfileUpdated

EVENTS: tuple[type[Event], ...] = (
    AccountRegistered,
    HandleChanged,
    EmailChanged,
    AccountSuspended,
    AccountReinstated,
    AccountClosed,
    ProfileCreated,
    ProfileUpdated,
)

__all__ = [
    "EVENTS",
    "AccountClosed",
    "AccountRegistered",
    "AccountReinstated",
    "AccountSuspended",
    "EmailChanged",
    "Event",
    "HandleChanged",
    "ProfileCreated",
    "ProfileUpdated",
    "type_of",
]
