"""
The log beside PostgreSQL's state, field by field.

It knows records as JSON and rows as the write side publishes them, and nothing of projections: a defect in them, or in
the write side, that both sides of another comparison share shows here.
"""

import re
from collections.abc import AsyncIterator, Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import msgspec

Fields = Mapping[str, Any]
"""A record or a row as JSON has it: text, numbers, lists, objects, null."""

_decode = msgspec.json.Decoder(dict[str, Any]).decode
_IDS = re.compile(rb"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Counterpart(NamedTuple):
    """
    The view that shows a kind of records as PostgreSQL has it; its columns have the names of the record's fields.

    :param key: the columns that make the id of a record, with a colon between them.
    :param aggregate: in the log, whose ids those of the records are; None if they are not.
    """

    kind: str
    view: str
    key: tuple[str, ...]
    aggregate: str | None


COUNTERPARTS: Mapping[str, Sequence[Counterpart]] = {
    "profiles": (Counterpart("profile", "directory_profiles", ("account_id",), "account"),),
    "groups": (
        Counterpart("group", "directory_groups", ("group_id",), "group"),
        Counterpart("person", "directory_profiles", ("account_id",), "account"),
        Counterpart("membership", "directory_memberships", ("group_id", "account_id"), None),
    ),
}
"""By projection. The others hold what happened, which no state does."""


class Records(Protocol):
    """The records of a projection, in JSON."""

    def ids(self, kind: str) -> Iterator[str]:
        """Give the ids of all records of a kind."""

    def body(self, kind: str, id: str) -> bytes | None:
        """Return the JSON of a record; None if there is none."""

    @property
    def incomplete(self) -> Collection[str]:
        """The ids of those that do not reflect the whole log, as far as is known: `body` may add to them."""


class Drift(NamedTuple):
    """A field in which a record is not what PostgreSQL's state says; `record` for a whole one that one side lacks."""

    id: str
    field: str
    expected: Any
    """By the log."""
    found: Any
    """In PostgreSQL's state."""


async def drifts(
    records: Records, kind: str, rows: AsyncIterator[tuple[str, Fields]]
) -> AsyncIterator[tuple[str, list[Drift]]]:
    """Give what differs between the records of a kind and the rows of its counterpart, id by id; mostly nothing."""
    left = set(records.ids(kind))
    async for id_, row in rows:
        left.discard(id_)
        yield id_, _drifts(records, kind, id_, row)
    for id_ in sorted(left):
        yield id_, _drifts(records, kind, id_, None)


def is_about(ids: Collection[str], id: str, body: bytes | None, row: Fields | None) -> bool:
    """
    Whether a record or a row is, or names, one of those with some ids.

    A group that is parked stands in the records of all its members, which are not parked themselves.
    """
    if not ids:
        return False
    texts = (id.encode(), body or b"", msgspec.json.encode(row))
    return id in ids or any(each in ids for text in texts for each in ids_in(text))


def ids_in(text: bytes) -> Iterator[str]:
    """Give the ids that stand in some JSON."""
    return (each.decode() for each in _IDS.findall(text))


def drifts_of(id: str, record: Fields | None, row: Fields | None) -> Iterator[Drift]:
    """Give the fields of a record that are not as the row has them; a view may have more."""
    if record is None or row is None:
        if record is not row:
            yield Drift(id, "record", record, row)
        return
    for field, expected in record.items():
        if (found := row.get(field)) != expected or field not in row:
            yield Drift(id, field, expected, found)


def _drifts(records: Records, kind: str, id: str, row: Fields | None) -> list[Drift]:
    body = records.body(kind, id)
    if is_about(records.incomplete, id, body, row):
        return []
    return list(drifts_of(id, None if body is None else _decode(body), row))
