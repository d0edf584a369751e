"""
Pages of lists, for all kinds of records that have index rows.

However a page is found, the last trip reads its documents. If anything was written since the first one, it reads their
index rows too, in one transaction, and drops those that do not fit any more, or stand elsewhere by now.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeAlias

from read_side.adapters.list_query import ListQuery
from read_side.adapters.redis.lists.lengths import ListLengths
from read_side.adapters.redis.lists.search import INDEX_ROWS, Places, Search, fields, places_of
from read_side.adapters.redis.transport.consistent_read import ConsistentRead
from read_side.adapters.redis.transport.reads import Field
from read_side.views import Page
from shared.read_model.envelope import Forms
from shared.read_model.keys import INDEX_ROW, GenerationKeys
from shared.read_model.ordering import WORD, id_at

Shown: TypeAlias = Callable[[Sequence[bytes]], Forms]


class GuardedPage(NamedTuple):
    """
    A page.

    :param guards: what the last trip saw besides.
    """

    page: Page
    guards: Sequence[bytes | None]


def list_names(keys: GenerationKeys, *, kind: str, orders: Sequence[str]) -> dict[str, str]:
    """Every hash and sorted set that lists of a kind are made of, but for its documents."""
    return {INDEX_ROWS: keys.documents(kind, INDEX_ROW), **{by: keys.sorted_entries(by) for by in (*orders, WORD)}}


async def page(
    read: ConsistentRead,
    query: ListQuery,
    *,
    lengths: ListLengths,
    shown: Shown,
    guards: Sequence[Field] = (),
) -> GuardedPage:
    """
    Find a page and read it.

    :param lengths: what is known of the lists, and what finding a page may cost.
    :param shown: takes out of stored documents what is shown of them.
    :param guards: what has to be read in the moment in which the page is.
    :raises QueryTooBroad: see `read_side.views.ProfileViews.list`.
    """
    return await _shown(read, query, await Search(read, query, lengths).page(), shown, guards)


async def _shown(
    read: ConsistentRead,
    query: ListQuery,
    found: Places,
    shown: Shown,
    guards: Sequence[Field],
) -> GuardedPage:
    if read.has_moved or not found.places:
        return await _checked(read, query, found, shown, guards)
    reply = await read.ask(*guards, reads=(fields("full", found.places),))
    if read.has_moved:
        return await _checked(read, query, found, shown, guards)
    (envelopes,) = reply.results
    documents = shown(list(filter(None, envelopes)))
    return GuardedPage(Page(read.position, documents.bodies, found.after, documents.tags), reply.values)


async def _checked(
    read: ConsistentRead,
    query: ListQuery,
    found: Places,
    shown: Shown,
    guards: Sequence[Field],
) -> GuardedPage:
    ids = list(map(id_at, found.places))
    reply = await read.ask(*guards, reads=(fields("full", ids), fields(INDEX_ROWS, ids)) if ids else ())
    envelopes, rows = reply.results or ((), ())
    stand = zip(found.places, places_of(query, ids, rows), envelopes, strict=True)
    documents = shown([envelope for place, at, envelope in stand if place == at and envelope is not None])
    return GuardedPage(Page(read.position, documents.bodies, found.after, documents.tags), reply.values)
