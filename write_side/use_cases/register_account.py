from datetime import datetime

from shared.clock import Clock
from shared.ids import Ids
from write_side.domain.account import Account
from write_side.domain.errors import AccountExists, EmailTaken, ExternalIdTaken, HandleTaken
from write_side.domain.profile import Profile
from write_side.domain.values import Bio, EmailAddress, ExternalId, Handle, Locale, Name, TimeZone, Title, Url
from write_side.ports import Outcome, UnitOfWork
from write_side.use_cases.command import Command, NewId
from write_side.use_cases.profile_fields import Attributes, Links, Tags
from write_side.use_cases.use_case import raises


class RegisterAccount(Command, frozen=True, kw_only=True):
    """Take a person into the directory: an account and its profile, both or neither."""

    email: EmailAddress
    handle: Handle
    display_name: Name
    account_id: NewId = None
    external_id: ExternalId | None = None
    given_name: Name | None = None
    family_name: Name | None = None
    title: Title | None = None
    bio: Bio | None = None
    locale: Locale | None = None
    time_zone: TimeZone | None = None
    picture_url: Url | None = None
    links: Links | None = None
    tags: Tags | None = None
    attributes: Attributes | None = None


@raises(AccountExists, EmailTaken, ExternalIdTaken, HandleTaken)
async def register_account(command: RegisterAccount, *, uow: UnitOfWork, clock: Clock, ids: Ids) -> Outcome:
    now = clock.now()
    async with uow:
        account = Account.register(
            id=command.account_id or ids.new(),
            email=command.email,
            handle=command.handle,
            external_id=command.external_id,
            at=now,
        )
        uow.accounts.add(account)
        uow.profiles.add(_profile_of(account, command, at=now))
        return await uow.commit(account)


def _profile_of(account: Account, command: RegisterAccount, *, at: datetime) -> Profile:
    return Profile.create(
        id=account.id,
        at=at,
        display_name=command.display_name,
        given_name=command.given_name,
        family_name=command.family_name,
        title=command.title,
        bio=command.bio,
        locale=command.locale,
        time_zone=command.time_zone,
        picture_url=command.picture_url,
        links=command.links or {},
        tags=command.tags or (),
        attributes=command.attributes or {},
    )
