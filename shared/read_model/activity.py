"""What happened to an account: the newest of it, packed into one document."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import NamedTuple, TypeAlias
from uuid import UUID

import msgspec

from shared.read_model.records import ActivityRecord

Detail: TypeAlias = str | tuple[str, ...] | None

KEPT = 1_000
"""Items of an account, unless `MUSTER_ACTIVITY_KEPT` says otherwise; the event log has all."""


class Details(NamedTuple):
    """
    The names of an item's details.

    :param public: how many of them, from the first, everybody may see.
    """

    names: tuple[str, ...]
    public: int


_NONE = Details((), 0)
_OF_GROUP = ("group_id", "slug", "name")
DETAILS: Mapping[str, Details] = {
    "account-registered": Details(("handle", "email", "external_id"), public=1),
    "handle-changed": Details(("old", "new"), public=2),
    "email-changed": Details(("old", "new"), public=0),
    "email-verified": Details((), public=0),
    "account-suspended": Details(("reason",), public=0),
    "account-reinstated": Details(("reason",), public=0),
    "account-closed": Details(("reason",), public=0),
    "profile-updated": Details(("fields",), public=1),
    "member-added": Details((*_OF_GROUP, "role"), public=4),
    "member-role-changed": Details((*_OF_GROUP, "old", "new"), public=5),
    "member-removed": Details((*_OF_GROUP, "role"), public=4),
}
"""By type of event, in the order in which items hold them."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class ActivityItem(msgspec.Struct, frozen=True, array_like=True):
    """
    An `ActivityRecord` without its account and without names.

    :param at: microseconds since 1970.
    :param details: those that its type has, see `DETAILS`.
    """

    position: int
    type: str
    at: int
    actor: str
    details: tuple[Detail, ...]

    def record(self, account_id: UUID, *, is_public: bool = False) -> ActivityRecord:
        """
        Return what is served of it.

        :param is_public: only what everybody may see.
        """
        names, public = DETAILS.get(self.type, _NONE)
        shown = names[:public] if is_public else names
        return ActivityRecord(
            account_id=account_id,
            type=self.type,
            position=self.position,
            at=_EPOCH + timedelta(0, 0, self.at),
            actor=self.actor,
            details=dict(zip(shown, self.details, strict=False)),
        )


def packed(record: ActivityRecord) -> ActivityItem:
    """Return the item of a record."""
    details = tuple(record.details[name] for name in DETAILS[record.type].names)
    return ActivityItem(record.position, record.type, (record.at - _EPOCH) // _MICROSECOND, record.actor, details)


class AccountActivity(msgspec.Struct, frozen=True):
    """
    The newest of what happened to one account.

    :param items: each an `ActivityItem` in JSON, the oldest first. They are only decoded to be shown: one more costs
        little, however many there are.
    """

    items: tuple[msgspec.Raw, ...] = ()

    def with_one_more(self, item: ActivityItem, *, kept: int) -> "AccountActivity":
        """Append an item; of more than `kept` the oldest goes."""
        return AccountActivity((*self.items, msgspec.Raw(_encode(item)))[-kept:])


_encode = msgspec.json.Encoder().encode
unpacked = msgspec.json.Decoder(ActivityItem).decode
