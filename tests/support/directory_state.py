"""What there is in a directory: a few dictionaries, made from the contract and not from Muster."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Any

ACTIVE, SUSPENDED, CLOSED = "active", "suspended", "closed"
EMPTY: Mapping[str, Any] = MappingProxyType(
    dict.fromkeys(("given_name", "family_name", "title", "bio", "locale", "time_zone", "picture_url"))
    | {"links": {}, "tags": [], "attributes": {}}
)
"""What a profile shows that was told nothing; null brings a field back to it."""


@dataclass(frozen=True, kw_only=True)
class Account:
    id: str
    email: str
    handle: str
    external_id: str | None
    profile: Mapping[str, Any]
    created_at: datetime
    updated_at: datetime
    status: str = ACTIVE
    version: int = 1
    profile_version: int = 1


@dataclass(frozen=True, kw_only=True)
class Group:
    id: str
    slug: str
    name: str
    description: str | None
    external_id: str | None
    created_at: datetime
    updated_at: datetime
    version: int = 1


@dataclass(frozen=True, kw_only=True)
class Membership:
    id: str
    role: str
    since: datetime
    version: int = 1


@dataclass(frozen=True)
class Item:
    """Something that happened to an account."""

    account: str
    type: str
    at: datetime


@dataclass(frozen=True)
class State:
    """All there is at one moment; memberships by group and account, in the order in which they began."""

    accounts: Mapping[str, Account] = field(default_factory=dict)
    groups: Mapping[str, Group] = field(default_factory=dict)
    memberships: Mapping[tuple[str, str], Membership] = field(default_factory=dict)
    happened: tuple[Item, ...] = ()
    group_ids: frozenset[str] = frozenset()
    """All that were ever used."""
    account_ids: frozenset[str] = frozenset()
    """Likewise."""
    registrations: tuple[datetime, ...] = ()
    """When each person was registered, the erased included."""


def account_of(state: State, ref: str) -> Account | None:
    """Whom an id, `@handle` or `ext:…` names."""
    for account in state.accounts.values():
        external = f"ext:{account.external_id}" if account.external_id else None
        if ref.lower() in {account.id, f"@{account.handle.lower()}"} or ref == external:
            return account
    return None


def group_of(state: State, ref: str) -> Group | None:
    """Which group an id or slug names."""
    return next((group for group in state.groups.values() if ref.lower() in {group.id, group.slug}), None)
