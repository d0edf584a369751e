from shared.clock import Clock
from write_side.domain.errors import GroupNotFound
from write_side.domain.references import GroupRef
from write_side.ports import Outcome, UnitOfWork
from write_side.use_cases.command import Command
from write_side.use_cases.use_case import raises


class DeleteGroup(Command, frozen=True, kw_only=True):
    """Delete a group, and with it every membership in it; its slug is free at once, its id never again."""

    group: GroupRef


@raises(GroupNotFound)
async def delete_group(command: DeleteGroup, *, uow: UnitOfWork, clock: Clock) -> Outcome:
    async with uow:
        group = await uow.groups.get_exclusive(command.group)
        members = await uow.memberships.end_all_of(group)
        group.delete(members=members, at=clock.now())
        uow.groups.remove(group)
        return await uow.commit(group)
