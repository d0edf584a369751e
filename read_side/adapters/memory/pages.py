"""Pages by brute force: everything that fits is put in order, and what lies behind the last page is shown."""

from collections.abc import Collection, Mapping
from typing import NamedTuple

import msgspec

from read_side.adapters.list_query import ListLimits, ListQuery, page_of
from read_side.views import Page
from shared.read_model.envelope import Sealed, entity_tag
from shared.read_model.ordering import IndexRow

_encode = msgspec.json.Encoder().encode


class Listed(NamedTuple):
    """A record as lists know it: its id in bytes, its index row, and what is shown of it."""

    id: bytes
    row: IndexRow
    document: bytes


def encoded(*records: msgspec.Struct) -> bytes:
    """Encode a record, or several side by side as one."""
    return b"{" + b",".join(_encode(record)[1:-1] for record in records) + b"}"


def sealed(position: int, *records: msgspec.Struct) -> Sealed:
    """Store the same as of `position`."""
    body = encoded(*records)
    return Sealed(position, entity_tag(body), body)


def listed(records: Collection[Listed], query: ListQuery, *, position: int, limits: ListLimits) -> Page:
    """
    Show a page of a list.

    :raises QueryTooBroad: so many match one word that no other order than the default is kept for them.
    """
    if query.finds_nothing:
        return Page(position, ())
    found = _placed(records, query)
    if query.is_one_word and query.key is not None and len(found) > limits.sorted:
        raise limits.too_broad()
    return page(found, position=position, limit=query.limit, after=query.after, descending=query.descending)


def _placed(records: Collection[Listed], query: ListQuery) -> Mapping[bytes, bytes]:
    places = ((query.place_of(each.row, each.id), each.document) for each in records)
    return {place: document for place, document in places if place is not None}


def page(
    placed: Mapping[bytes, bytes], *, position: int, limit: int, after: bytes | None, descending: bool = False
) -> Page:
    """Show the documents that stand behind a place."""
    found = page_of(placed, limit=limit, after=after, descending=descending)
    shown = found[:limit]
    return Page(position, tuple(placed[each] for each in shown), shown[-1] if len(found) > limit else None)
