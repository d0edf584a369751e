from shared.clock import Clock
from write_side.domain.errors import AccountNotFound
from write_side.domain.references import AccountRef
from write_side.ports import Outcome, UnitOfWork
from write_side.use_cases.command import Command
from write_side.use_cases.use_case import raises


class EraseAccount(Command, frozen=True, kw_only=True):
    """Erase a person, open or closed: handle, e-mail address and external id are free at once, the id never again."""

    account: AccountRef


@raises(AccountNotFound)
async def erase_account(command: EraseAccount, *, uow: UnitOfWork, clock: Clock) -> Outcome:
    now = clock.now()
    async with uow:
        account = await uow.accounts.get_exclusive(command.account)
        groups = await uow.memberships.groups_ever_of(account)
        positions = await uow.accounts.positions_of(account)
        for membership in await uow.memberships.all_of(account):
            membership.end(at=now)
            uow.memberships.remove(membership)
        account.erase(groups=groups, positions=positions, at=now)
        uow.accounts.erase(account)
        return await uow.commit(account)
