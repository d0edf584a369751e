from typing import Annotated

from msgspec import Meta, field

from shared.clock import Clock
from shared.ids import Ids
from write_side.domain.account import AccountAlreadyClosed
from write_side.domain.errors import AccountNotFound, GroupNotFound
from write_side.domain.membership import Membership
from write_side.domain.references import AccountRef, GroupRef
from write_side.domain.values import Role
from write_side.ports import Outcome, UnitOfWork
from write_side.use_cases.command import Command
from write_side.use_cases.use_case import raises

_MEMBER = "member"


class AddGroupMember(Command, frozen=True, kw_only=True):
    """Add an account to a group; a member that is added again takes the role that is given now."""

    group: GroupRef
    account: AccountRef
    # A factory: msgspec cannot describe a default that is a type of ours.
    role: Annotated[Role | None, Meta(extra_json_schema={"default": _MEMBER})] = field(
        default_factory=lambda: Role(_MEMBER)
    )


@raises(AccountAlreadyClosed, AccountNotFound, GroupNotFound)
async def add_group_member(command: AddGroupMember, *, uow: UnitOfWork, clock: Clock, ids: Ids) -> Outcome:
    role = command.role or Role(_MEMBER)
    async with uow:
        account = await uow.accounts.get_unchanging(command.account)
        account.require_open()
        group = await uow.groups.get_unchanging(command.group)
        membership = await uow.memberships.find(group, account)
        if membership is None:
            membership = Membership.begin(
                id=ids.new(), group_id=group.id, account_id=account.id, role=role, at=clock.now()
            )
            uow.memberships.add(membership)
        else:
            membership.change_role(role, at=clock.now())
        return await uow.commit(membership)
