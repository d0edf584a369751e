from shared.clock import Clock
from write_side.domain.account import AccountAlreadyClosed
from write_side.domain.errors import AccountNotFound, HandleTaken
from write_side.domain.references import AccountRef
from write_side.domain.values import Handle
from write_side.ports import Outcome, UnitOfWork
from write_side.use_cases.command import Command
from write_side.use_cases.use_case import raises


class ChangeHandle(Command, frozen=True, kw_only=True):
    """Give an account another handle; the old one is free at once."""

    account: AccountRef
    handle: Handle


@raises(AccountAlreadyClosed, AccountNotFound, HandleTaken)
async def change_handle(command: ChangeHandle, *, uow: UnitOfWork, clock: Clock) -> Outcome:
    async with uow:
        account = await uow.accounts.get(command.account)
        account.change_handle(command.handle, at=clock.now())
        return await uow.commit(account)
