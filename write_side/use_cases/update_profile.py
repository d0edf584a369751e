from typing import Any

from msgspec import UNSET, UnsetType
from msgspec.structs import asdict

from shared.clock import Clock
from write_side.domain.account import AccountAlreadyClosed
from write_side.domain.errors import AccountNotFound
from write_side.domain.references import AccountRef
from write_side.domain.values import Bio, Locale, Name, TimeZone, Title, Url
from write_side.ports import Outcome, UnitOfWork
from write_side.use_cases.command import Command
from write_side.use_cases.profile_fields import Attributes, Links, Tags
from write_side.use_cases.use_case import raises


class UpdateProfile(Command, frozen=True, kw_only=True):
    """Change what a person shows: an absent field keeps its value, null clears it."""

    account: AccountRef
    display_name: Name | UnsetType = UNSET
    given_name: Name | UnsetType | None = UNSET
    family_name: Name | UnsetType | None = UNSET
    title: Title | UnsetType | None = UNSET
    bio: Bio | UnsetType | None = UNSET
    locale: Locale | UnsetType | None = UNSET
    time_zone: TimeZone | UnsetType | None = UNSET
    picture_url: Url | UnsetType | None = UNSET
    links: Links | UnsetType | None = UNSET
    tags: Tags | UnsetType | None = UNSET
    attributes: Attributes | UnsetType | None = UNSET


@raises(AccountAlreadyClosed, AccountNotFound)
async def update_profile(command: UpdateProfile, *, uow: UnitOfWork, clock: Clock) -> Outcome:
    async with uow:
        account = await uow.accounts.get_unchanging(command.account)
        account.require_open()
        profile = await uow.profiles.of(account)
        profile.update(at=clock.now(), **_changes(command))
        return await uow.commit(profile)


_EMPTY: dict[str, Any] = {"links": {}, "tags": (), "attributes": {}}


def _changes(command: UpdateProfile) -> dict[str, Any]:
    given = {name: value for name, value in asdict(command).items() if name != "account" and value is not UNSET}
    return {name: _EMPTY.get(name) if value is None else value for name, value in given.items()}
