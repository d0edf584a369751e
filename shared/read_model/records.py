"""The records that the read API serves, and the halves of which some are made."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType

Timestamp = Annotated[datetime, Meta(tz=True)]
"""In UTC, as RFC 3339 writes it."""


class ProfileGroup(msgspec.Struct, frozen=True, kw_only=True):
    """A group as it stands in the record of a member."""

    group_id: UUID
    slug: str
    name: str
    role: str


class PublicProfileRecord(msgspec.Struct, frozen=True, kw_only=True):
    """
    A person as every caller may see it: without e-mail address, external id and attributes.

    `stale_since`, of this and of other records, is only there while an event of it is parked; it is put into the JSON
    when that is sealed, and no projection knows it.
    """

    account_id: UUID
    handle: str
    display_name: str
    given_name: str | None
    family_name: str | None
    title: str | None
    bio: str | None
    status: str
    locale: str | None
    time_zone: str | None
    picture_url: str | None
    links: dict[str, str]
    tags: tuple[str, ...]
    groups: tuple[ProfileGroup, ...] = ()
    created_at: Timestamp
    updated_at: Timestamp
    version: int
    profile_version: int
    stale_since: Timestamp | UnsetType = UNSET


class ProfileRecord(PublicProfileRecord, frozen=True, kw_only=True):
    """A person as the read API serves it to those who may see everything: the private fields stand last."""

    email: str
    email_verified: bool
    external_id: str | None
    attributes: dict[str, str]


class GroupRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A group as the read API serves it."""

    group_id: UUID
    slug: str
    name: str
    description: str | None
    external_id: str | None
    member_count: int
    created_at: Timestamp
    updated_at: Timestamp
    version: int
    stale_since: Timestamp | UnsetType = UNSET


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """The first half of a member's card: who it is. Kept once, however many groups a person belongs to."""

    account_id: UUID
    handle: str
    display_name: str
    status: str


class MembershipRecord(msgspec.Struct, frozen=True, kw_only=True):
    """The second half of a member's card: their role in the group, and since when."""

    role: str
    since: Timestamp


class MemberCard(msgspec.Struct, frozen=True, kw_only=True):
    """A member of a group as the read API serves it: a `Person` and a `MembershipRecord`, side by side."""

    account_id: UUID
    handle: str
    display_name: str
    status: str
    role: str
    since: Timestamp
    stale_since: Timestamp | UnsetType = UNSET


class ActivityRecord(msgspec.Struct, frozen=True, kw_only=True):
    """
    Something that happened to an account.

    :param type: the event's, such as `handle-changed`.
    :param position: of the event in the log.
    :param details: what else is known of it, such as `{"old": …, "new": …}`.
    """

    account_id: UUID
    type: str
    position: int
    at: Timestamp
    actor: str
    details: dict[str, str | tuple[str, ...] | None]


class AccountCounts(msgspec.Struct, frozen=True):
    active: int = 0
    suspended: int = 0
    closed: int = 0


class DayCount(msgspec.Struct, frozen=True):
    """How many there were on a day (in UTC, RFC 3339 `full-date`)."""

    day: str
    count: int


class StatsRecord(msgspec.Struct, frozen=True):
    """The directory in numbers; `registrations` has the days on which there were any, in order."""

    accounts: AccountCounts = AccountCounts()
    groups: int = 0
    memberships: int = 0
    registrations: tuple[DayCount, ...] = ()
    stale_since: Timestamp | UnsetType = UNSET
