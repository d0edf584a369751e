"""What happens to the profile of an account."""

from uuid import UUID

from msgspec import UNSET, UnsetType, field

from shared.events.event import Event


class ProfileCreated(Event, frozen=True, kw_only=True, tag="profile-created"):
    """An account got its profile; both are stored by the same command."""

    account_id: UUID
    display_name: str
    given_name: str | None = None
    family_name: str | None = None
    title: str | None = None
    bio: str | None = None
    locale: str | None = None
    time_zone: str | None = None
    picture_url: str | None = None
    links: dict[str, str] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    attributes: dict[str, str] = field(default_factory=dict)


class ProfileUpdated(Event, frozen=True, kw_only=True, tag="profile-updated"):
    """Only what changed is set: an absent field kept its value, a null one was cleared."""

    account_id: UUID
    display_name: str | UnsetType = UNSET
    given_name: str | UnsetType | None = UNSET
    family_name: str | UnsetType | None = UNSET
    title: str | UnsetType | None = UNSET
    bio: str | UnsetType | None = UNSET
    locale: str | UnsetType | None = UNSET
    time_zone: str | UnsetType | None = UNSET
    picture_url: str | UnsetType | None = UNSET
    links: dict[str, str] | UnsetType = UNSET
    tags: tuple[str, ...] | UnsetType = UNSET
    attributes: dict[str, str] | UnsetType = UNSET
