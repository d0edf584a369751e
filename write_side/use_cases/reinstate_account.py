from shared.clock import Clock
from write_side.domain.account import AccountAlreadyClosed
from write_side.domain.errors import AccountNotFound
from write_side.domain.references import AccountRef
from write_side.domain.values import Note
from write_side.ports import Outcome, UnitOfWork
from write_side.use_cases.command import Command
from write_side.use_cases.use_case import raises


class ReinstateAccount(Command, frozen=True, kw_only=True):
    """Reinstate a suspended account."""

    account: AccountRef
    reason: Note | None = None


@raises(AccountAlreadyClosed, AccountNotFound)
async def reinstate_account(command: ReinstateAccount, *, uow: UnitOfWork, clock: Clock) -> Outcome:
    async with uow:
        account = await uow.accounts.get(command.account)
        account.reinstate(reason=command.reason and str(command.reason), at=clock.now())
        return await uow.commit(account)
