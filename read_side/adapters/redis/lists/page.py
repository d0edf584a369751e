"""
Pages of lists, for all kinds of records that have index rows.

Whatever finds a page, the last trip reads its documents and index rows in one transaction and drops those that do not
fit any more, or stand elsewhere by now.
"""

from collections.abc import Sequence
from typing import NamedTuple

from read_side.adapters.redis.lists.index_rows import INDEX_ROWS, fields, places
from read_side.adapters.redis.lists.plan import find
from read_side.adapters.redis.lists.query import ListQuery
from read_side.adapters.redis.lists.scan import Found
from read_side.adapters.redis.transport.consistent_read import ConsistentRead
from read_side.adapters.redis.transport.reads import Field
from read_side.views import Page
from shared.read_model.envelope import unseal
from shared.read_model.keys import INDEX_ROW, GenerationKeys
from shared.read_model.ordering import WORD, id_at


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
    journey: ConsistentRead, asked: ListQuery, *, documents: str, guards: Sequence[Field] = ()
) -> GuardedPage:
    """
    Find a page and read it.

    :param documents: the hash with what is shown.
    :param guards: what has to be read in the moment in which the page is.
    :raises QueryTooBroad: see `read_side.views.ProfileViews.list`.
    """
    return await _shown(journey, asked, await find(journey, asked), documents, guards)


async def _shown(
    journey: ConsistentRead, asked: ListQuery, found: Found, documents: str, guards: Sequence[Field]
) -> GuardedPage:
    ids = list(map(id_at, found.places))
    seen = await journey.ask(*guards, reads=(fields(documents, ids), fields(INDEX_ROWS, ids)) if ids else ())
    envelopes, index_rows = seen.replies or ((), ())
    stand = zip(found.places, places(asked, ids, index_rows), envelopes, strict=True)
    shown = (unseal(envelope) for place, at, envelope in stand if place == at and envelope is not None)
    return GuardedPage(Page(journey.position, tuple(shown), found.after), seen.values)
