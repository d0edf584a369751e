"""What becomes of the groups in a person's record."""

from collections.abc import Callable, Iterable
from typing import TypeAlias
from uuid import UUID

import msgspec
from msgspec import UNSET

from projector.folding.projection import Documents, FanOut, Key
from projector.projections.group_names import GROUP
from projector.projections.profile_kinds import PROFILE
from shared.event_log import UnknownEvent
from shared.events import (
    Event,
    GroupDeleted,
    GroupUpdated,
    MemberAdded,
    MemberRemoved,
    MemberRoleChanged,
    SlugChanged,
)
from shared.read_model.ordering import STATUSES, group_facet, name_at, place, text_key
from shared.read_model.records import ProfileGroup, ProfileRecord

Groups: TypeAlias = tuple[ProfileGroup, ...]


def documents_needed(event: Event | UnknownEvent) -> Iterable[Key]:
    """The documents that `belong` touches."""
    match event:
        case MemberAdded(group_id=group_id, account_id=account_id):
            return (PROFILE.key(account_id), GROUP.key(group_id))
        case MemberRoleChanged(account_id=account_id) | MemberRemoved(account_id=account_id):
            return (PROFILE.key(account_id),)
        case _:
            return ()


def belong(event: Event, documents: Documents) -> None:
    """Keep what the event makes of the groups of one person, who is not updated by it: their versions stay."""
    match event:
        case MemberAdded() as event:
            _join(event, documents)
        case MemberRoleChanged(group_id=group_id, account_id=account_id, new=role):
            profile = documents.get(PROFILE, account_id)
            documents.save(PROFILE, account_id, _with_group(profile, group_id, role=role))
        case MemberRemoved(group_id=group_id, account_id=account_id):
            profile = documents.get(PROFILE, account_id)
            documents.save(PROFILE, account_id, _without_group(profile, group_id))


def fan_out(event: Event) -> FanOut | None:
    """What an event of a group makes of the records of all its members."""
    match event:
        case GroupUpdated(group_id=group_id, name=name) if name is not UNSET:
            return _to_members(group_id, lambda profile: _with_group(profile, group_id, name=name), reindexes=False)
        case SlugChanged(group_id=group_id, new=slug):
            return _to_members(group_id, lambda profile: _with_group(profile, group_id, slug=slug), reindexes=False)
        case GroupDeleted(group_id=group_id):
            return _to_members(group_id, lambda profile: _without_group(profile, group_id), reindexes=True)
        case _:
            return None


def _join(event: MemberAdded, documents: Documents) -> None:
    # The group may be gone or renamed already, after a crash. Gone: its deletion is still to be folded, and leaves the
    # record without it. Renamed: the record is ahead with it, and will be brought the same name once more.
    if (group := documents.find(GROUP, event.group_id)) is None:
        return
    profile = documents.get(PROFILE, event.account_id)
    joined = ProfileGroup(group_id=group.group_id, slug=group.slug, name=group.name, role=event.role)
    documents.save(PROFILE, event.account_id, _with(profile, (*profile.groups, joined)))


def _to_members(group_id: UUID, revise: Callable[[ProfileRecord], ProfileRecord], *, reindexes: bool) -> FanOut:
    return FanOut(
        by=PROFILE.orders[0],
        prefix=group_facet(group_id),
        kind=PROFILE,
        key=_key_at,
        revise=lambda _, profile: revise(profile),
        stands=lambda _, profile, entry: profile is not None and _stands_at(entry, profile, group_id),
        reindexes=reindexes,
    )


def _stands_at(entry: bytes, profile: ProfileRecord, group_id: UUID) -> bool:
    """See `profile_index.index_row_of`, without all that is not asked for."""
    if not any(group.group_id == group_id for group in profile.groups):
        return False
    name = place(text_key(profile.display_name), profile.account_id)
    return entry == group_facet(group_id) + STATUSES[profile.status] + name


def _key_at(entry: bytes) -> Key:
    return PROFILE.key(name_at(entry))


def _with_group(profile: ProfileRecord, group_id: UUID, **change: str) -> ProfileRecord:
    """The record with its group changed; itself if the group is not among its groups."""
    for nth, group in enumerate(groups := profile.groups):
        if group.group_id == group_id:
            return _with(profile, (*groups[:nth], msgspec.structs.replace(group, **change), *groups[nth + 1 :]))
    return profile


def _without_group(profile: ProfileRecord, group_id: UUID) -> ProfileRecord:
    """The record without the group; itself if the group is not among its groups."""
    left = tuple(group for group in profile.groups if group.group_id != group_id)
    return profile if len(left) == len(profile.groups) else _with(profile, left)


def _with(profile: ProfileRecord, groups: Groups) -> ProfileRecord:
    return msgspec.structs.replace(profile, groups=groups)
