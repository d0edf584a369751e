"""Who belongs to which group, as what and since when."""

from collections.abc import Iterable
from uuid import UUID

import msgspec

from projector.folding.projection import Documents, Entry, FanOut, Key, Kind, SortedEntry
from projector.projections.times import moment_of
from shared.event_log import RecordedEvent, UnknownEvent
from shared.events import AccountErased, Event, GroupDeleted, MemberAdded, MemberRemoved, MemberRoleChanged
from shared.read_model.ordering import NUL, name_at, place, time_key
from shared.read_model.records import Membership
from shared.text import composed

MEMBERSHIP = Kind("membership", Membership)
"""By group and account: `<group id>:<account id>`."""

MEMBER = "member"
MEMBER_ROLE = "member-role"


def membership_needed(event: Event | UnknownEvent) -> Iterable[Key]:
    """The documents that `join_or_leave` touches."""
    match event:
        case MemberAdded() | MemberRoleChanged() | MemberRemoved():
            return (MEMBERSHIP.key(_of(event)),)
        case AccountErased():
            return map(MEMBERSHIP.key, _ever_of(event))
        case _:
            return ()


def join_or_leave(recorded: RecordedEvent, documents: Documents) -> None:
    """Keep what the event makes of a membership, or of all that an account ever had."""
    match recorded.event:
        case MemberAdded(role=role) as event:
            documents.save(MEMBERSHIP, _of(event), Membership(role=role, since=moment_of(recorded)))
        case MemberRoleChanged() as event:
            _change_role(event, documents)
        case MemberRemoved() as event:
            documents.forget(MEMBERSHIP, _of(event))
        case AccountErased() as event:
            # Those that are over, too: it may be that nobody could tell here that they were.
            for of in _ever_of(event):
                documents.forget(MEMBERSHIP, of)


def fan_out(event: Event) -> FanOut | None:
    """Every membership ends with its group."""
    if not isinstance(event, GroupDeleted):
        return None
    group_id = event.group_id
    prefix = _of_group(group_id)
    return FanOut(
        by=MEMBER,
        prefix=group_id.bytes,
        kind=MEMBERSHIP,
        key=lambda entry: MEMBERSHIP.key(prefix + name_at(entry)),
        revise=lambda of, membership: None if of.startswith(prefix) else membership,
        stands=lambda of, membership, entry: (
            membership is not None and SortedEntry(MEMBER, entry) in _entries(of, membership)
        ),
        reindexes=True,
    )


def entries_of(key: Key, membership: Membership) -> Iterable[Entry]:
    """In the lists of a group's members, and of those with the same role, in the order in which they joined."""
    return _entries(key.id, membership)


def _entries(of: str, membership: Membership) -> tuple[Entry, ...]:
    group_id, account_id = map(UUID, of.split(":"))
    joined = place(time_key(membership.since), account_id)
    role = composed(membership.role).encode() + NUL
    return (SortedEntry(MEMBER, group_id.bytes + joined), SortedEntry(MEMBER_ROLE, group_id.bytes + role + joined))


def _of(event: MemberAdded | MemberRoleChanged | MemberRemoved) -> str:
    return f"{_of_group(event.group_id)}{event.account_id}"


def _ever_of(event: AccountErased) -> list[str]:
    return [f"{_of_group(group_id)}{event.account_id}" for group_id in event.groups]


def _of_group(group_id: UUID) -> str:
    return f"{group_id}:"


def _change_role(event: MemberRoleChanged, documents: Documents) -> None:
    # After a crash the store may be ahead of its checkpoint, and the membership over when its older events come again.
    if membership := documents.find(MEMBERSHIP, _of(event)):
        documents.save(MEMBERSHIP, _of(event), msgspec.structs.replace(membership, role=event.new))
