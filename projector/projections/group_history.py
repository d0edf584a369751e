"""What groups have been called: a small document each, for a projection that tells what was."""

from typing import Any
from uuid import UUID

import msgspec
from msgspec import UNSET

from projector.folding.projection import Documents, Kind
from shared.event_log import RecordedEvent
from shared.events import GroupCreated, GroupDeleted, GroupUpdated, SlugChanged


class Called(msgspec.Struct, frozen=True):
    """What a group is called since a position of the log: nothing once it is deleted."""

    since: int
    slug: str | None = None
    name: str | None = None


NOTHING = Called(0)


class GroupHistory(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a group has been called, in order; it stays when the group is gone."""

    group_id: UUID
    called: tuple[Called, ...]

    def at(self, position: int) -> Called:
        """What it was called then, whatever has been folded since."""
        return next((each for each in reversed(self.called) if each.since <= position), NOTHING)


GROUP = Kind("group", GroupHistory)


def remember(recorded: RecordedEvent, documents: Documents) -> None:
    """Keep what the event makes of a group's slug and name: of the document that `group_names.names_needed` names."""
    match recorded.event:
        case GroupCreated(group_id=group_id, slug=slug, name=name):
            called = (Called(recorded.position, slug, name),)
            documents.save(GROUP, group_id, GroupHistory(group_id=group_id, called=called))
        case SlugChanged(group_id=group_id, new=new):
            _add(group_id, recorded, documents, slug=new)
        case GroupUpdated(group_id=group_id, name=name) if name is not UNSET:
            _add(group_id, recorded, documents, name=name)
        case GroupDeleted(group_id=group_id):
            _add(group_id, recorded, documents, slug=None, name=None)


def _add(group_id: UUID, recorded: RecordedEvent, documents: Documents, **change: Any) -> None:
    if group := documents.find(GROUP, group_id):
        now = msgspec.structs.replace(group.called[-1], since=recorded.position, **change)
        documents.save(GROUP, group_id, msgspec.structs.replace(group, called=(*group.called, now)))
