from shared.clock import Clock
from shared.ids import Ids
from write_side.domain.errors import ExternalIdTaken, GroupExists, SlugTaken
from write_side.domain.group import Group
from write_side.domain.values import Description, ExternalId, Name, Slug
from write_side.ports import Outcome, UnitOfWork
from write_side.use_cases.command import Command, NewId
from write_side.use_cases.use_case import raises


class CreateGroup(Command, frozen=True, kw_only=True):
    """Create a group that people can be added to."""

    slug: Slug
    name: Name
    description: Description | None = None
    group_id: NewId = None
    external_id: ExternalId | None = None


@raises(ExternalIdTaken, GroupExists, SlugTaken)
async def create_group(command: CreateGroup, *, uow: UnitOfWork, clock: Clock, ids: Ids) -> Outcome:
    async with uow:
        group = Group.create(
            id=command.group_id or ids.new(),
            slug=command.slug,
            name=command.name,
            description=command.description,
            external_id=command.external_id,
            at=clock.now(),
        )
        uow.groups.add(group)
        return await uow.commit(group)
