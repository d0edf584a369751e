"""What groups are called at present: a small document each, for projections that tell of their members."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

import msgspec
from msgspec import UNSET

from projector.folding.projection import Documents, Key, Kind
from shared.event_log import UnknownEvent
from shared.events import Event, GroupCreated, GroupDeleted, GroupUpdated, SlugChanged


class GroupName(msgspec.Struct, frozen=True, kw_only=True):
    """
    A group's slug and name.

    After a crash it may be ahead of the checkpoint: renamed or gone already when an older event of a member is folded
    again. Nothing is amiss then, so the caller must do with None.
    """

    group_id: UUID
    slug: str
    name: str


GROUP = Kind("group", GroupName)


def names_needed(event: Event | UnknownEvent) -> Iterable[Key]:
    """The document that `follow` touches."""
    match event:
        case (
            GroupCreated(group_id=group_id)
            | SlugChanged(group_id=group_id)
            | GroupUpdated(group_id=group_id)
            | GroupDeleted(group_id=group_id)
        ):
            return (GROUP.key(group_id),)
        case _:
            return ()


def follow(event: Event | UnknownEvent, documents: Documents) -> None:
    """Keep what the event makes of a group's slug and name."""
    match event:
        case GroupCreated(group_id=group_id, slug=slug, name=name):
            documents.save(GROUP, group_id, GroupName(group_id=group_id, slug=slug, name=name))
        case SlugChanged(group_id=group_id, new=new):
            _replace(group_id, documents, slug=new)
        case GroupUpdated(group_id=group_id, name=name) if name is not UNSET:
            _replace(group_id, documents, name=name)
        case GroupDeleted(group_id=group_id):
            documents.forget(GROUP, group_id)


def _replace(group_id: UUID, documents: Documents, **change: Any) -> None:
    if group := documents.find(GROUP, group_id):
        documents.save(GROUP, group_id, msgspec.structs.replace(group, **change))
