from shared.clock import Clock
from write_side.domain.errors import AccountNotFound, GroupNotFound, MemberNotFound
from write_side.domain.references import AccountRef, GroupRef
from write_side.domain.values import Role
from write_side.ports import Outcome, UnitOfWork
from write_side.use_cases.command import Command
from write_side.use_cases.use_case import raises


class ChangeMemberRole(Command, frozen=True, kw_only=True):
    """Give a member of a group another role; their account may be closed."""

    group: GroupRef
    account: AccountRef
    role: Role


@raises(AccountNotFound, GroupNotFound, MemberNotFound)
async def change_member_role(command: ChangeMemberRole, *, uow: UnitOfWork, clock: Clock) -> Outcome:
    async with uow:
        account = await uow.accounts.get_unchanging(command.account)
        group = await uow.groups.get_unchanging(command.group)
        membership = await uow.memberships.of(group, account)
        membership.change_role(command.role, at=clock.now())
        return await uow.commit(membership)
