"""What happened to an account: the newest of it, packed into one document."""

from collections.abc import Mapping
from typing import TypeAlias
from uuid import UUID

import msgspec

from shared.read_model.records import ActivityRecord, Timestamp

Details: TypeAlias = dict[str, str | tuple[str, ...] | None]

KEPT = 1_000
"""Items of an account, unless `MUSTER_ACTIVITY_KEPT` says otherwise; the event log has all."""

_OF_GROUP = frozenset({"group_id", "slug", "name"})
PUBLIC: Mapping[str, frozenset[str]] = {
    "account-registered": frozenset({"handle"}),
    "handle-changed": frozenset({"old", "new"}),
    "profile-updated": frozenset({"fields"}),
    "member-added": _OF_GROUP | {"role"},
    "member-role-changed": _OF_GROUP | {"old", "new"},
    "member-removed": _OF_GROUP | {"role"},
}
"""The details that everybody may see, by type of event; of others only that they happened."""


def public_form(record: ActivityRecord) -> ActivityRecord:
    """Return what everybody may see of what happened."""
    public = PUBLIC.get(record.type, frozenset())
    if public.issuperset(record.details):
        return record
    return msgspec.structs.replace(
        record, details={name: each for name, each in record.details.items() if name in public}
    )


class ActivityItem(msgspec.Struct, frozen=True, array_like=True):
    """An `ActivityRecord` without its account."""

    position: int
    type: str
    at: Timestamp
    actor: str
    details: Details

    def record(self, account_id: UUID) -> ActivityRecord:
        return ActivityRecord(
            account_id=account_id,
            type=self.type,
            position=self.position,
            at=self.at,
            actor=self.actor,
            details=self.details,
        )


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
