from typing import Any

from msgspec import UNSET, UnsetType
from msgspec.structs import asdict

from shared.clock import Clock
from write_side.domain.errors import GroupNotFound, SlugTaken
from write_side.domain.references import GroupRef
from write_side.domain.values import Description, Name, Slug
from write_side.ports import Outcome, UnitOfWork
from write_side.use_cases.command import Command
from write_side.use_cases.use_case import raises


class UpdateGroup(Command, frozen=True, kw_only=True):
    """Change a group: an absent field keeps its value, null clears the description; an old slug is free at once."""

    group: GroupRef
    slug: Slug | UnsetType = UNSET
    name: Name | UnsetType = UNSET
    description: Description | UnsetType | None = UNSET


@raises(GroupNotFound, SlugTaken)
async def update_group(command: UpdateGroup, *, uow: UnitOfWork, clock: Clock) -> Outcome:
    async with uow:
        group = await uow.groups.get_exclusive(command.group)
        group.update(at=clock.now(), **_changes(command))
        return await uow.commit(group)


def _changes(command: UpdateGroup) -> dict[str, Any]:
    return {name: value for name, value in asdict(command).items() if name != "group" and value is not UNSET}
