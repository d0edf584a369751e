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
    """The names of an item's details: those that everybody may see, and those that only some may."""

    public: tuple[str, ...] = ()
    private: tuple[str, ...] = ()


_OF_GROUP = ("group_id", "slug", "name")
DETAILS: Mapping[str, Details] = {
    "account-registered": Details(public=("handle",), private=("email", "external_id")),
    "handle-changed": Details(public=("old", "new")),
    "email-changed": Details(private=("old", "new")),
    "account-suspended": Details(private=("reason",)),
    "account-reinstated": Details(private=("reason",)),
    "account-closed": Details(private=("reason",)),
    "profile-updated": Details(public=("fields",)),
    "member-added": Details(public=(*_OF_GROUP, "role")),
    "member-role-changed": Details(public=(*_OF_GROUP, "old", "new")),
    "member-removed": Details(public=(*_OF_GROUP, "role")),
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
        names = DETAILS.get(self.type, Details())
        shown = names.public if is_public else names.public + names.private
        return ActivityRecord(
            account_id=account_id,
            type=self.type,
            position=self.position,
            at=_EPOCH + timedelta(microseconds=self.at),
            actor=self.actor,
            details=dict(zip(shown, self.details, strict=False)),
        )


def packed(record: ActivityRecord) -> ActivityItem:
    """Return the item of a record."""
    names, at = DETAILS[record.type], (record.at - _EPOCH) // _MICROSECOND
    details = tuple(record.details[name] for name in names.public + names.private)
    return ActivityItem(record.position, record.type, at, record.actor, details)


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
