from shared.clock import Clock
from write_side.domain.errors import AccountNotFound
from write_side.domain.references import AccountRef
from write_side.domain.values import Note
from write_side.ports import Outcome, UnitOfWork
from write_side.use_cases.command import Command
from write_side.use_cases.use_case import raises


class CloseAccount(Command, frozen=True, kw_only=True):
    """Close an account for good: it keeps its handle and e-mail address and takes no further changes."""

    account: AccountRef
    reason: Note | None = None


@raises(AccountNotFound)
async def close_account(command: CloseAccount, *, uow: UnitOfWork, clock: Clock) -> Outcome:
    async with uow:
        account = await uow.accounts.get(command.account)
        account.close(reason=command.reason and str(command.reason), at=clock.now())
        return await uow.commit(account)
