from shared.clock import Clock
from write_side.domain.account import AccountAlreadyClosed
from write_side.domain.errors import AccountNotFound
from write_side.domain.references import AccountRef
from write_side.domain.values import Note
from write_side.ports import Outcome, UnitOfWork
from write_side.use_cases.command import Command
from write_side.use_cases.use_case import raises


class SuspendAccount(Command, frozen=True, kw_only=True):
    """Suspend an account: it can still be read, but no list shows it."""

    account: AccountRef
    reason: Note | None = None


@raises(AccountAlreadyClosed, AccountNotFound)
async def suspend_account(command: SuspendAccount, *, uow: UnitOfWork, clock: Clock) -> Outcome:
    async with uow:
        account = await uow.accounts.get(command.account)
        account.suspend(reason=command.reason and str(command.reason), at=clock.now())
        return await uow.commit(account)
