from shared.clock import Clock
from write_side.domain.errors import AccountNotFound, GroupNotFound, MemberNotFound
from write_side.domain.references import AccountRef, GroupRef
from write_side.ports import Outcome, UnitOfWork
from write_side.use_cases.command import Command
from write_side.use_cases.use_case import raises


class RemoveGroupMember(Command, frozen=True, kw_only=True):
    """Remove an account from a group, be it open or closed."""

    group: GroupRef
    account: AccountRef


@raises(AccountNotFound, GroupNotFound, MemberNotFound)
async def remove_group_member(command: RemoveGroupMember, *, uow: UnitOfWork, clock: Clock) -> Outcome:
    async with uow:
        account = await uow.accounts.get_unchanging(command.account)
        group = await uow.groups.get_unchanging(command.group)
        membership = await uow.memberships.of(group, account)
        membership.end(at=clock.now())
        uow.memberships.remove(membership)
        return await uow.commit(membership)
