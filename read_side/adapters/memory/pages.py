"""Pages by brute force: everything that fits is put in order, and what lies behind the last page is shown."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec

from read_side.views import Page, QueryTooBroad
from shared.read_model.envelope import Sealed, entity_tag

MOST_SORTED = 10_000

_encode = msgspec.json.Encoder().encode


class Placed(NamedTuple):
    """A document and where it stands in a list: see `shared.read_model.ordering`."""

    place: bytes
    document: Sealed


def sealed(position: int, *records: msgspec.Struct) -> Sealed:
    """Store a record, or several side by side as one, as of `position`."""
    body = b"{" + b",".join(_encode(record)[1:-1] for record in records) + b"}"
    return Sealed(position, entity_tag(body), body)


def page(placed: Iterable[Placed], *, position: int, limit: int, after: bytes | None, descending: bool = False) -> Page:
    """Show what comes after a place."""
    ordered = sorted(placed, key=lambda each: each.place, reverse=descending)
    left = [each for each in ordered if after is None or _is_behind(each.place, after, descending=descending)]
    shown = left[:limit]
    documents = tuple(each.document for each in shown)
    return Page(position, documents, shown[-1].place if len(left) > len(shown) else None)


def _is_behind(place: bytes, after: bytes, *, descending: bool) -> bool:
    return place < after if descending else place > after


def first_match(words: Iterable[str], looked_for: Sequence[str]) -> bytes | None:
    """
    The first word that begins with the longest one looked for, the first of equally long ones.

    :returns: None if one of those looked for is the beginning of none.
    """
    ordered = sorted(word.encode() for word in words)
    begun = {prefix: [word for word in ordered if word.startswith(prefix.encode())] for prefix in looked_for}
    return begun[max(looked_for, key=len)][0] if all(begun.values()) else None


def require_sortable(count: int, *, order: str | None) -> None:
    """:raises QueryTooBroad: so many match the words that no other order than the default is kept for them."""
    if order is not None and count > MOST_SORTED:
        raise QueryTooBroad(f"More than {MOST_SORTED:,} match")
