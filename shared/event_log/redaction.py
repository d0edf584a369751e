"""What the log keeps of an event of an erased person."""

import msgspec

from shared.event_log.ports import UNKNOWN_ORIGIN, RecordedEvent, UnknownEvent
from shared.events import MemberAdded, MemberRemoved, MemberRoleChanged, Redacted, type_of


def redacted(recorded: RecordedEvent, *, by: int) -> RecordedEvent:
    """
    Return the event without its content; everything else of it stays.

    :param by: the position of the `AccountErased`.
    """
    match event := recorded.event:
        case Redacted():
            return recorded
        case UnknownEvent(type=was):
            left = Redacted(was=was, by=by)
        case MemberAdded(group_id=group_id) | MemberRoleChanged(group_id=group_id) | MemberRemoved(group_id=group_id):
            left = Redacted(was=type_of(event), by=by, group_id=group_id)
        case _:
            left = Redacted(was=type_of(event), by=by)
    return msgspec.structs.replace(recorded, event=left, metadata=UNKNOWN_ORIGIN)
