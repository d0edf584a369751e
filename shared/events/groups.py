"""What happens to a group and its members."""

from uuid import UUID

from msgspec import UNSET, UnsetType

from shared.events.event import Event


class GroupCreated(Event, frozen=True, kw_only=True, tag="group-created"):
    group_id: UUID
    slug: str
    name: str
    description: str | None = None
    external_id: str | None = None


class SlugChanged(Event, frozen=True, kw_only=True, tag="slug-changed"):
    group_id: UUID
    old: str
    new: str


class GroupUpdated(Event, frozen=True, kw_only=True, tag="group-updated"):
    """Only what changed is set: an absent field kept its value, a null one was cleared."""

    group_id: UUID
    name: str | UnsetType = UNSET
    description: str | UnsetType | None = UNSET


class GroupDeleted(Event, frozen=True, kw_only=True, tag="group-deleted"):
    """
    A group is gone, and every membership in it ended with it, without a `MemberRemoved` of its own.

    :param members: how many they were.
    """

    group_id: UUID
    slug: str
    members: int


class MemberAdded(Event, frozen=True, kw_only=True, tag="member-added"):
    membership_id: UUID
    group_id: UUID
    account_id: UUID
    role: str


class MemberRoleChanged(Event, frozen=True, kw_only=True, tag="member-role-changed"):
    membership_id: UUID
    group_id: UUID
    account_id: UUID
    old: str
    new: str


class MemberRemoved(Event, frozen=True, kw_only=True, tag="member-removed"):
    membership_id: UUID
    group_id: UUID
    account_id: UUID
    role: str
