"""Changes as the feed serves them: CloudEvents 1.0 in JSON."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType

from shared.read_model.changes import ChangeItem
from shared.read_model.records import Timestamp

SOURCE = "/muster"


class ChangeData(msgspec.Struct, frozen=True, omit_defaults=True):
    """
    What a change is about: ids, names of fields, and no text that was ever written of a person.

    :param version: of the account, profile, group or membership, once it was changed.
    :param fields: the names of the fields that were changed.
    :param values: what the record has in these fields by now, for callers with the scope `profiles:read.private`;
        absent where the record is gone.
    """

    version: int
    fields: tuple[str, ...]
    account_id: UUID | UnsetType = UNSET
    group_id: UUID | UnsetType = UNSET
    values: dict[str, Any] | UnsetType = UNSET


class ChangeEvent(msgspec.Struct, frozen=True, kw_only=True):
    """
    One change as a CloudEvent.

    :param id: of the event; no other has it, whatever is restored from a backup.
    :param source: always the same.
    :param type: of the event, such as `handle-changed`.
    :param subject: where the read API has the record that was changed, relative to its root.
    :param sequence: the position in the event log: each is greater than the one before.
    """

    specversion: Literal["1.0"] = "1.0"
    id: UUID
    source: Annotated[str, Meta(examples=[SOURCE])] = SOURCE
    type: Annotated[str, Meta(examples=["handle-changed"])]
    subject: Annotated[str, Meta(examples=["profiles/01a22846-1825-7634-9a98-e38d020f9ed1"])]
    time: Timestamp
    datacontenttype: Literal["application/json"] = "application/json"
    sequence: Annotated[int, Meta(ge=1)]
    data: ChangeData


class ChangePage(msgspec.Struct, frozen=True):
    """
    Changes in the order of the log.

    :param next_after: up to where was looked, to be sent as `after` for what comes next; at the end it stands still.
    """

    items: tuple[ChangeEvent, ...]
    next_after: Annotated[int, Meta(ge=0)]


def change_of(item: ChangeItem, values: Mapping[str, Any] | None = None) -> ChangeEvent:
    """:param values: of the item's record, as far as they are shown."""
    account, group = _uuid(item.account), _uuid(item.group)
    shown = UNSET if values is None else {name: values[name] for name in item.changed if name in values}
    return ChangeEvent(
        id=UUID(bytes=item.id),
        type=item.type,
        subject=_subject(account, group),
        time=item.time,
        sequence=item.position,
        data=ChangeData(item.version, tuple(item.changed), account or UNSET, group or UNSET, shown),
    )


def _uuid(id: bytes | None) -> UUID | None:
    return None if id is None else UUID(bytes=id)


def _subject(account: UUID | None, group: UUID | None) -> str:
    if group is None:
        return f"profiles/{account}"
    return f"groups/{group}" if account is None else f"groups/{group}/members/{account}"
