"""What happens to the profile of an account."""

from uuid import UUID

from msgspec import UNSET, UnsetType

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
    links: dict[str, str] = {}
    tags: tuple[str, ...] = ()
    attributes: dict[str, str] = {}


class ProfileUpdated(Event, frozen=True, kw_only=True, tag="profile-updated"):
    """Only what changed is set: an absent field kept its value, a null one was cleared."""

    account_id: UUID
    display_name: str | UnsetType = UNSET
    given_name: str | None | UnsetType = UNSET
    family_name: str | None | UnsetType = UNSET
    title: str | None | UnsetType = UNSET
    bio: str | None | UnsetType = UNSET
    locale: str | None | UnsetType = UNSET
    time_zone: str | None | UnsetType = UNSET
    picture_url: str | None | UnsetType = UNSET
    links: dict[str, str] | UnsetType = UNSET
    tags: tuple[str, ...] | UnsetType = UNSET
    attributes: dict[str, str] | UnsetType = UNSET
