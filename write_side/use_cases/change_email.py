from shared.clock import Clock
from write_side.domain.account import AccountAlreadyClosed
from write_side.domain.errors import AccountNotFound, EmailTaken
from write_side.domain.references import AccountRef
from write_side.domain.values import EmailAddress
from write_side.ports import Outcome, UnitOfWork
from write_side.use_cases.command import Command
from write_side.use_cases.use_case import raises


class ChangeEmail(Command, frozen=True, kw_only=True):
    """Give an account another e-mail address; the old one is free at once."""

    account: AccountRef
    email: EmailAddress


@raises(AccountAlreadyClosed, AccountNotFound, EmailTaken)
async def change_email(command: ChangeEmail, *, uow: UnitOfWork, clock: Clock) -> Outcome:
    async with uow:
        account = await uow.accounts.get(command.account)
        account.change_email(command.email, at=clock.now())
        return await uow.commit(account)
